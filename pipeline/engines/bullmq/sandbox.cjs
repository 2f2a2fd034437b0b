// What BullMQ starts a process with for each task in flight: it calls what this file exports.
module.exports = async (job, token, signal) => (await import('./run-job.ts')).runJob(job, token, signal);
