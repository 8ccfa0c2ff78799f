import { defineConfig } from 'vitest/config';

// Files run one after another: the live tests own network namespaces and both cores, and timing-sensitive
// neighbours would make them flaky. `--expose-gc` and the large young generation are what the allocation
// tests need (test/helpers/bytes-per-call.ts says why).
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    fileParallelism: false,
    execArgv: ['--expose-gc', '--min-semi-space-size=16'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
