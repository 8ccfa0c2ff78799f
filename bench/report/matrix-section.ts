/**
 * The part of the report about every frame size, kind of traffic, family and number of rules.
 */
import { rate } from '../numbers.ts';
import type { FrameSize, TrafficKind } from '../traffic/traffic.ts';
import { inlineCommand } from './commands.ts';
import { type Inline, SATURATED, ZERO_LOSS } from './inline.ts';
import { measuredOn, table, when } from './markdown.ts';

const SIZES: readonly FrameSize[] = [64, 512, 1514, 'mix'];
const KINDS: readonly TrafficKind[] = ['established', 'new', 'half-denied'];

export function matrixSection(inline: Inline): string {
  const { environment, options, repeats, continuations = [] } = inline.results;
  const rows = inline.devices.flatMap((device) =>
    ([4, 6] as const).flatMap((family) =>
      inline.ruleCounts.flatMap((rules) =>
        KINDS.flatMap((kind) => {
          const cells = SIZES.map((size) => {
            const cell = inline.cell(device, rules, { kind, size, family });
            const saturated = inline.spread(cell, SATURATED);
            const zeroLoss = inline.spread(cell, ZERO_LOSS);
            return saturated === undefined || zeroLoss === undefined
              ? '-'
              : `${rate(zeroLoss.median)}, ${rate(saturated.median)}`;
          });
          if (cells.every((each) => each === '-')) return [];
          return [[device, `IPv${family}`, String(rules), kind, ...cells]];
        }),
      ),
    ),
  );
  return [
    '## Every frame size, kind of traffic and family',
    measuredOn(
      environment,
      inlineCommand(inline.results),
      continuations.map((each) => `Continued ${when(each)}. `).join('') +
        `${repeats} repeat(s), trials of ${options.seconds} s, loss tolerance ${options.lossTolerance}. In each cell: frames a ` +
        'second without loss, and saturated. The mix is 7 : 4 : 1 frames of 64, 594 and 1514 bytes. Of half-denied traffic ' +
        'half of the frames arrive when none is lost.',
    ),
    table(['device', '', 'rules', 'traffic', ...SIZES.map((size) => `${size} bytes`)], rows),
  ].join('\n\n');
}
