// What a client spends, by the measures of bench/processes.py.

export async function spend(work, seconds) {
  await work();
  let count = 0;
  const cpu = process.cpuUsage();
  const started = performance.now();
  while (performance.now() - started < seconds * 1000) count += await work();
  return spent(count, cpu, started);
}

export function spent(count, cpu, started) {
  const { user, system } = process.cpuUsage(cpu);
  return { count, cpu: (user + system) / 1e6, seconds: (performance.now() - started) / 1000 };
}

export function tell(...all) {
  process.stdout.write(JSON.stringify(all) + "\n", () => process.exit());
}
