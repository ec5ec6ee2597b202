/** The version of this page; a server of another one is said (`tests/test_house` holds that it is the distribution's). */
export const VERSION = '0.1.0';
