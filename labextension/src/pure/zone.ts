/** Wall times of any zone, with what the browser knows of zones. */

/** The browser's own zone. */
export function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC';
}

/** Every zone the browser knows, UTC first. */
export function zones(): string[] {
  const known = (Intl as { supportedValuesOf?: (key: string) => string[] }).supportedValuesOf?.('timeZone') ?? [];
  return [...new Set(['UTC', ...known, ownZone()])];
}

export function isZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

/** How far a zone's clock is ahead of UTC at an instant, in ms. */
function ahead(at: number, zone: string): number {
  const parts = Object.fromEntries(
    new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric'
    })
      .formatToParts(at)
      .map(part => [part.type, Number(part.value)])
  );
  const wall = Date.UTC(parts.year, parts.month - 1, parts.day, parts.hour, parts.minute, parts.second);
  return wall - Math.floor(at / 1000) * 1000;
}

/** The wall time of an instant in a zone, as `2026-11-24T09:30`. */
export function wallOf(instant: string, zone: string): string {
  const at = Date.parse(instant);
  return new Date(at + ahead(at, zone)).toISOString().slice(0, 16);
}

/** The instant of a wall time `2026-11-24T09:30` in a zone; null if it is none. */
export function instantOf(wall: string, zone: string): string | null {
  const naive = Date.parse(`${wall}Z`);
  if (!Number.isFinite(naive) || !isZone(zone)) {
    return null;
  }
  // The offset at the naive time may be that of the other side of a change: look once more.
  const first = naive - ahead(naive, zone);
  const second = naive - ahead(first, zone);
  return new Date(second).toISOString();
}
