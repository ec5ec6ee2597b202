/** How large things are drawn, in pixels at zoom 1. */
export const NODE_WIDTH = 190;
export const NODE_HEIGHT = 46;
/** Around the children of an open item. */
export const PADDING = 14;
/** Above them, for its name. */
export const HEADER = 30;
export const LAYER_GAP = 56;
export const NODE_GAP = 14;
