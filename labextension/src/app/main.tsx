/** Where the standalone page starts. */
import * as React from 'react';
import { createRoot } from 'react-dom/client';
import { Manager } from '../manager';
import { Notices } from '../model/notices';
import { ServicesProvider } from '../view/context';
import { pageConnection } from './connection';
import { PageHost } from './host';
import { Page } from './page';

/** The theme follows the system; the attribute is the one that Lab's own pages carry. */
function followTheme(): void {
  const dark = window.matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    document.body.dataset.jpThemeLight = String(!dark.matches);
  };
  dark.addEventListener('change', apply);
  apply();
}

function start(): void {
  followTheme();
  let element = document.getElementById('headrace-app');
  if (!element) {
    element = document.createElement('div');
    element.id = 'headrace-app';
    document.body.append(element);
  }
  const manager = new Manager(pageConnection());
  const host = new PageHost();
  const services = { manager, host, notices: new Notices(manager, host) };
  host.services = services;
  createRoot(element).render(
    <ServicesProvider value={services}>
      <Page host={host} />
    </ServicesProvider>
  );
  manager.start();
}

start();
