/**
 * Values as Grafana prints them, for the units that our dashboards have; and text that is safe in HTML.
 */

export function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

const SI = ['', ' K', ' Mil', ' Bil'];
const SI_SHORT = ['', 'k', 'M', 'G'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
/** Below a second, each a thousandth of the one before. */
const SECONDS = ['s', 'ms', 'µs', 'ns'];

function digits(value: number, decimals: number | undefined): string {
  if (decimals !== undefined) return value.toFixed(decimals);
  const size = Math.abs(value);
  if (size === 0 || Number.isInteger(value)) return String(value);
  return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 2);
}

function scaled(value: number, base: number, names: readonly string[], decimals?: number): string {
  let step = 0;
  let left = value;
  while (Math.abs(left) >= base && step < names.length - 1) {
    left /= base;
    step++;
  }
  return `${digits(left, decimals)}${names[step] ?? ''}`;
}

function seconds(value: number): string {
  if (value === 0) return '0 s';
  if (Math.abs(value) >= 60) return `${digits(value / 60, 1)} min`;
  let step = 0;
  let left = value;
  while (Math.abs(left) < 1 && step < SECONDS.length - 1) {
    left *= 1000;
    step++;
  }
  return `${digits(left, undefined)} ${SECONDS[step] ?? ''}`;
}

/** @param now milliseconds since the epoch, for times that are told from now */
export function formatValue(value: number, unit: string, now: number, decimals?: number): string {
  if (Number.isNaN(value)) return 'No data';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  switch (unit) {
    case 'percentunit':
      return `${digits(value * 100, decimals)} %`;
    case 's':
      return seconds(value);
    case 'bytes':
      return scaled(
        value,
        1024,
        BINARY.map((name) => ` ${name}`),
        decimals,
      );
    case 'bps':
      return scaled(
        value,
        1000,
        SI_SHORT.map((name) => ` ${name}b/s`),
        decimals,
      );
    case 'pps':
      return scaled(
        value,
        1000,
        SI_SHORT.map((name) => ` ${name}p/s`),
        decimals,
      );
    case 'cps':
      return scaled(
        value,
        1000,
        SI_SHORT.map((name) => ` ${name}c/s`),
        decimals,
      );
    case 'short':
      return scaled(value, 1000, SI, decimals);
    case 'dateTimeFromNow': {
      const past = Math.max(0, (now - value) / 1000);
      return past < 90 ? `${Math.round(past)} seconds ago` : `${Math.round(past / 60)} minutes ago`;
    }
    default:
      return digits(value, decimals);
  }
}
