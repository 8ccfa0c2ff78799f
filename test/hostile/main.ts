/**
 * `make hostile`: the whole catalogue of hostile traffic, each entry with what is expected and what was seen. Ends with 1
 * when anything differs. The advisories of peers follow, each with what holds its lesson.
 *
 * `--json` prints JSON lines. `--offline` leaves out what needs links and
 * processes: the wire, and the tests that hold entries elsewhere.
 */
import { advisories } from './advisories.ts';
import { liveObstacle } from '../helpers/live.ts';
import { catalogue } from './catalogue/catalogue.ts';
import { expectedOf, play } from './catalogue/play.ts';
import { runHeld } from './held.ts';
import {
  type EntryReport,
  formatAdvisories,
  formatJson,
  formatTable,
  HOLDS,
  isAsExpected,
  isHeld,
  isLessonHeld,
  isPlayed,
  reportAdvisories,
  SKIPPED,
} from './report.ts';
import { runOnWire, type WireRun } from './wire.ts';

const OPTIONS: readonly string[] = ['--json', '--offline'];

async function main(options: ReadonlySet<string>): Promise<number> {
  const unknown = [...options].find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined) {
    console.error(`hostile: there is no option ${unknown}; there are ${OPTIONS.join(', ')}`);
    return 2;
  }
  const isOffline = options.has('--offline');
  const obstacle = isOffline ? 'as asked' : liveObstacle;
  const say = (text: string): void => console.error(text);
  if (obstacle !== undefined) say(`hostile: nothing on a wire: ${obstacle}`);
  const wire = obstacle === undefined ? await runOnWire(catalogue.filter(isPlayed)) : undefined;
  say('hostile: entries that are held by other tests run now; some make links and wait for them');
  const held = [...catalogue.filter(isHeld), ...advisories.flatMap(({ tests = [] }) => tests)];
  const outcomeOf = isOffline ? () => SKIPPED : runHeld(held);
  const reports = catalogue.map((entry): EntryReport => {
    if (isHeld(entry)) return { entry, lines: [{ expected: HOLDS, seen: outcomeOf(entry) }] };
    const expected = expectedOf(entry);
    const verdicts = isPlayed(entry) ? wire?.verdicts.get(entry) : undefined;
    const lines = play(entry).map((seen, index) => ({
      expected: expected[index] ?? '',
      seen,
      ...(verdicts?.[index] !== undefined && { onWire: verdicts[index] }),
    }));
    return { entry, lines };
  });
  const advised = reportAdvisories(reports, outcomeOf);
  const text = options.has('--json')
    ? formatJson(reports, advised)
    : [...formatTable(reports), ...formatAdvisories(advised)];
  for (const line of text) console.log(line);
  const isGood = summary(reports) && advised.every(isLessonHeld);
  return isGood && (wire === undefined || areCountsRight(wire)) ? 0 : 1;
}

/** Whether the daemon counted every frame by the reason that its entry expects. */
function areCountsRight({ counts, expectedCounts }: WireRun): boolean {
  const isRight = counts.join() === expectedCounts.join();
  const names = 'reason, inbound, outbound';
  if (!isRight) {
    console.error(`hostile: counted on the wire (${names}): ${counts.join('; ')}`);
    console.error(`hostile: expected (${names}): ${expectedCounts.join('; ')}`);
  }
  return isRight;
}

function summary(reports: readonly EntryReport[]): boolean {
  const lines = reports.flatMap((report) => report.lines);
  const different = reports.filter((report) => !report.lines.every(isAsExpected));
  const skipped = lines.filter(({ seen }) => seen === SKIPPED).length;
  const wired = lines.filter(({ onWire }) => onWire !== undefined).length;
  const rows = new Set(reports.map(({ entry }) => entry.row)).size;
  console.error(
    `hostile: ${rows} rows, ${reports.length} entries, ${lines.length} steps, ${wired} of them on a wire too; ` +
      `${skipped} skipped; ${different.length} entries differ`,
  );
  for (const { entry } of different)
    console.error(`hostile: differs: ${entry.row} ${entry.attack}`);
  return different.length === 0;
}

// Whoever reads may have seen enough (`| head`).
process.stdout.on('error', () => process.exit(1));
process.exitCode = await main(new Set(process.argv.slice(2)));
