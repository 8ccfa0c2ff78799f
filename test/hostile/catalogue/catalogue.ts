/**
 * The catalogue of hostile traffic: every entry, by row.
 */
import { addressCases } from './addresses.ts';
import type { Case } from './case.ts';
import { configurationCases } from './configuration.ts';
import { conntrackCases } from './conntrack.ts';
import { fragmentCases } from './fragments.ts';
import { hostCases } from './host.ts';
import { icmpCases } from './icmp.ts';
import { linkCases } from './link.ts';
import { networkLayerCases } from './network-layer.ts';
import { tableCases } from './tables.ts';
import { tcpCases } from './tcp.ts';

export const catalogue: readonly Case[] = [
  ...fragmentCases,
  ...networkLayerCases,
  ...tcpCases,
  ...conntrackCases,
  ...tableCases,
  ...addressCases,
  ...icmpCases,
  ...linkCases,
  ...hostCases,
  ...configurationCases,
].toSorted((a, b) => a.row - b.row);
