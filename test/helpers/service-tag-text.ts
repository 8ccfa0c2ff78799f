/**
 * Service tag files that stand in a test.
 */
import { formatProblem } from '../../src/policy/problem.ts';
import { parseServiceTagFile, type ServiceTagFile } from '../../src/policy/service-tags-file.ts';

/** The text of a file as Microsoft publishes it. */
export function tagFile(tags: Readonly<Record<string, readonly string[]>>): string {
  const values = Object.entries(tags).map(([name, addressPrefixes]) => ({
    name,
    properties: { changeNumber: 1, addressPrefixes },
  }));
  return JSON.stringify({ changeNumber: 1, cloud: 'Public', values });
}

/** The tags of a text; throws with the problems when it is no such file. */
export function goodTags(text: string, file = 'earlier.json'): ServiceTagFile {
  const result = parseServiceTagFile(text, file);
  if (!result.ok) throw new Error(result.problems.map(formatProblem).join('\n'));
  return result.tags;
}
