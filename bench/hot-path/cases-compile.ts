/**
 * What a reload costs: the rules of a configuration to the image that the data plane maps.
 */
import { compileRules } from '../../src/engine/compile.ts';
import { compileImage, PolicyRegistry } from '../../src/engine/policy-image-compile.ts';
import { PolicyImage } from '../../src/engine/policy-image.ts';
import { parseServiceTagFile } from '../../src/policy/service-tags-file.ts';
import { loadGood } from '../../test/helpers/load-text.ts';
import { readClassbenchRules } from '../../test/helpers/classbench.ts';
import { generatedSet } from '../rules/set-files.ts';
import { taggedConfiguration } from '../rules/tagged-policy.ts';
import { nsgdConfiguration, trialRules } from '../rules/trial-policy.ts';
import { type BenchCase, expectThat, type Workload } from './case.ts';

/** Configuration text to image, as a reload does it: all of reading, checking, resolving and compiling. */
function reload(
  text: string,
  files: Readonly<Record<string, string>>,
  facts: Workload['facts'],
): Workload {
  const once = (): ArrayBuffer => {
    const { policy } = loadGood(text, files);
    const { buffer } = compileImage(policy, policy.nics, 1, new PolicyRegistry());
    return PolicyImage.attach(buffer).words.buffer as ArrayBuffer;
  };
  return {
    operations: 1,
    facts: { ...facts, imageBytes: once().byteLength },
    run(operations) {
      for (let index = 0; index < operations; index++) once();
    },
  };
}

/** Compilation alone: a policy in force to the image of its NIC. */
function compileOnly(
  text: string,
  files: Readonly<Record<string, string>>,
  facts: Workload['facts'],
): Workload {
  const { policy } = loadGood(text, files);
  return {
    operations: 1,
    facts: facts ?? {},
    run(operations) {
      for (let index = 0; index < operations; index++) {
        compileImage(policy, policy.nics, 1, new PolicyRegistry());
      }
    },
  };
}

function tagged(make: typeof reload): Workload | string {
  const configuration = taggedConfiguration();
  if (configuration === undefined) return 'needs ../shared/data: the published service tags';
  const { text, files } = configuration;
  return make(text, files, { rules: 1000, serviceTags: 'published file' });
}

function classbench(name: string): Workload {
  const rules = readClassbenchRules(generatedSet(name).rules);
  return {
    operations: 1,
    facts: { rules: rules.length, imageBytes: compileRules(rules).byteLength },
    run(operations) {
      for (let index = 0; index < operations; index++) compileRules(rules);
    },
  };
}

/** The published file as it is read before any rule names a tag, or with the prefixes of all its tags parsed. */
function serviceTags(isParsed: boolean): Workload | string {
  const text = taggedConfiguration()?.files['tags.json'];
  if (text === undefined) return 'needs ../shared/data: the published service tags';
  const once = (): number => {
    const result = parseServiceTagFile(text, 'tags.json');
    expectThat(result.ok, 'the service tag file is one');
    if (!result.ok) return 0;
    const { names } = result.tags;
    if (isParsed) for (const name of names) result.tags.find(name);
    return names.length;
  };
  return {
    operations: 1,
    facts: { tags: once(), bytes: text.length },
    run(operations) {
      for (let index = 0; index < operations; index++) once();
    },
  };
}

const plain = (): string => nsgdConfiguration(trialRules(1000, 4));

const MAKERS: Readonly<Record<string, () => Workload | string>> = {
  'reload-1k-rules': () => reload(plain(), {}, { rules: 1000 }),
  'image-1k-rules': () => compileOnly(plain(), {}, { rules: 1000 }),
  'reload-1k-rules-service-tags': () => tagged(reload),
  'image-1k-rules-service-tags': () => tagged(compileOnly),
  'service-tags-read': () => serviceTags(false),
  'service-tags-read-all': () => serviceTags(true),
  'rules-acl-1k': () => classbench('acl-1k'),
  'rules-acl-10k': () => classbench('acl-10k'),
  'rules-fw-10k': () => classbench('fw-10k'),
};

export const compileCases: readonly BenchCase[] = Object.entries(MAKERS).map(([name, prepare]) => ({
  name: `compile/${name}`,
  unit: 'compilations',
  prepare,
}));
