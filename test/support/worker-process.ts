/** A worker in a process of its own, exactly as `cadenza worker` runs it; its settings come from the environment. */
import { main } from '../../src/cli/main.ts';

process.exitCode = await main(['worker', '--json']);
