const runJob = import('../../import-program.js').then(({ importProgram }) =>
  importProgram('pipeline/engines/bullmq/run-job'),
);
runJob.catch(() => {});

// What BullMQ starts a process with for each task in flight: it calls what this file exports.
module.exports = async (job, token, signal) => (await runJob).runJob(job, token, signal);
