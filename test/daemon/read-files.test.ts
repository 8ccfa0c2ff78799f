import { expect, test } from 'vitest';
import { ReadFiles } from '../../daemon/read-files.ts';
import { memoryFiles } from '../helpers/memory-files.ts';

test('tells which of the files that were read are no longer as they were', () => {
  const disk = memoryFiles({ 'a.yaml': 'a', 'tags.json': '{}', 'other.yaml': 'x' });
  const files = new ReadFiles(disk.source);
  expect(files.readText('a.yaml')).toBe('a');
  // Taken from a cache: only its version is asked.
  files.versionOf('tags.json');
  expect(files.changed).toEqual([]);
  disk.write('other.yaml', 'y');
  expect(files.changed).toEqual([]);
  disk.write('tags.json', '[]');
  expect(files.changed).toEqual(['tags.json']);
  disk.remove('a.yaml');
  expect(files.changed).toEqual(['a.yaml', 'tags.json']);
  files.begin();
  files.versionOf('tags.json');
  // Read, and not in force: a reload that is refused leaves it at that.
  expect(files.changed).toEqual(['a.yaml', 'tags.json']);
  files.begin();
  files.versionOf('tags.json');
  files.accept();
  expect(files.changed).toEqual([]);
});
