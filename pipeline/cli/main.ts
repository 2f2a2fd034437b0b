import { Command, CommanderError } from 'commander';
import { StorageError } from '../../schemas/storage/errors.ts';
import { ResumableError, UsageError } from '../errors.ts';
import { createLog } from '../log.ts';
import { version } from '../version.ts';
import { addCurate } from './curate.ts';
import { addDemo } from './demo.ts';
import { addDiff } from './diff.ts';
import { addDistill } from './distill.ts';
import { addDoctor } from './doctor.ts';
import { addExport } from './export.ts';
import { addFeed } from './feed.ts';
import { addGallery } from './gallery.ts';
import { addInspect } from './inspect.ts';
import { addRuns } from './runs.ts';
import { addSchedule } from './schedule.ts';
import { addSelect } from './select.ts';
import { addSources } from './sources.ts';
import { addTeach } from './teach.ts';
import { addWhy } from './why.ts';
import { addWorker } from './worker.ts';

const log = createLog();
const stop = new AbortController();

/** How long, in milliseconds, a command may take to stop, whatever it has in hand. */
const patienceMs = 3_500;

/** The first signal asks for a clean stop, and is patient for seconds; the second one doesn't ask. */
function stopOn(signal: 'SIGINT' | 'SIGTERM', code: number): void {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(code);
    process.exitCode = code;
    log.warn(`${signal}: stopping after what is in hand; again to stop at once`);
    setTimeout(() => {
      log.warn('stopped: what was in hand is given up');
      process.exit(code);
    }, patienceMs).unref();
    stop.abort(new Error('stopped'));
  });
}
stopOn('SIGINT', 130);
stopOn('SIGTERM', 143);

// A command's work is imported when it is run: help and mistakes answer at once.
const program = new Command('assay')
  .description('The acid test for image-text data: curation and ACID distillation, after SigLIP 2')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(assay --help lists the commands)');
const shell = { log, signal: stop.signal };
addDemo(program, shell);
addSources(program, shell);
addCurate(program, shell);
addRuns(program, shell);
addDistill(program, shell);
addExport(program, shell);
addFeed(program, shell);
addSchedule(program, shell);
addSelect(program, shell);
addTeach(program, shell);
addWorker(program, shell);
addDoctor(program, shell);
addDiff(program, shell);
addInspect(program, shell);
addGallery(program, shell);
addWhy(program, shell);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  } else if (error instanceof UsageError) {
    log.error(error.message);
    process.exitCode = 2;
  } else if (error instanceof StorageError) {
    log.error(error.message);
    process.exitCode = 1;
  } else if (stop.signal.aborted) {
    log.warn(error instanceof ResumableError ? error.message : 'stopped');
    process.exitCode ||= 130;
  } else if (error instanceof ResumableError) {
    log.error(error.message);
    process.exitCode = 1;
  } else {
    log.error(error instanceof Error ? (error.stack ?? error.message) : String(error));
    process.exitCode = 1;
  }
}
// What is in hand still, such as a query that can't be cut short, is not waited for.
if (stop.signal.aborted) process.exit();
