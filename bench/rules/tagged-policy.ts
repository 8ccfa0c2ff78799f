/**
 * A policy as large as an administrator would write one: 1,000 rules, half of which name a published service tag.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Random } from '../../test/helpers/random.ts';
import { sharedData } from '../../test/helpers/shared-data.ts';
import { nsgdConfiguration, trialRules } from './trial-policy.ts';

const SEED = 20_261_122;
const TAGS_FILE = 'ServiceTags_Public_20251117.json';

export interface TaggedConfiguration {
  readonly text: string;
  /** Files that the text names, by their name. */
  readonly files: Readonly<Record<string, string>>;
}

/**
 * AzureCloud is among the tags. undefined where the published file is missing.
 * @param seed of the rules and of their tags
 */
export function taggedConfiguration(seed = SEED): TaggedConfiguration | undefined {
  const folder = sharedData('servicetags');
  if (folder === undefined) return undefined;
  const file = readFileSync(join(folder, TAGS_FILE), 'utf8');
  const { values } = JSON.parse(file) as { values: { name: string }[] };
  const random = new Random(seed);
  const rules = trialRules(1000, 4, seed).map((rule, index) => {
    if (index === 0) return { ...rule, source: 'AzureCloud' };
    return index % 2 === 0 ? rule : { ...rule, source: random.pick(values).name };
  });
  return {
    text: nsgdConfiguration(rules, { serviceTags: { file: 'tags.json' } }),
    files: { 'tags.json': file },
  };
}
