/**
 * What a setting may be written as, in the configuration and on a command line, and where the control socket is. Apart from
 * the schemas of the settings, so that a command that only asks the daemon is not kept waiting by them.
 */

export const DEFAULT_RUNTIME_DIRECTORY = '/run/nsgd';

/** The control socket of a daemon whose configuration names none. */
export function controlSocketIn(runtimeDirectory: string): string {
  return `${runtimeDirectory.replace(/\/+$/, '')}/control.sock`;
}

const SECONDS_PER_UNIT: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

/** Seconds of `240`, `"240s"`, `"4m"` or `"1h"`; undefined for anything else. */
export function parseDuration(value: number | string): number | undefined {
  if (typeof value === 'number') return value;
  const [, digits, unit = ''] = /^(\d{1,9})([smh])$/.exec(value) ?? [];
  const scale = SECONDS_PER_UNIT[unit];
  return digits === undefined || scale === undefined ? undefined : Number(digits) * scale;
}

export interface Endpoint {
  /** Without brackets. */
  readonly host: string;
  /** 0 lets the kernel choose. */
  readonly port: number;
}

/** `127.0.0.1:9469`, `[::1]:9469`, `localhost:9469`; undefined for anything else. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const [, bracketed, plain, digits] =
    /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}
