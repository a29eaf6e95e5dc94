package main

import (
	"os/exec"
	"slices"
	"strconv"
)

// keepAwake keeps the CPUs from going idle while latencies of one connection
// are compared, and returns what ends it.
//
// Between a request and its answer each side waits for the other. A virtual CPU
// that does so goes to sleep in its host, after a time that adapts to what it
// saw; waking it takes tens of microseconds and is charged to whoever waited a
// little longer. Ten microseconds of work were seen as forty, with a ratio of
// 1.4 instead of 1.1. A process that runs only where nobody else wants to
// (SCHED_IDLE, sched(7)) prevents the sleep and takes no time from anybody.
func (b *bench) keepAwake() (end func()) {
	if _, err := lookPath("chrt"); err != nil || b.cpus.unpinned != "" {
		b.report.note("CPUs were allowed to sleep: nothing pinned, or no chrt in PATH. Ratios with one connection are too large then.")
		return func() {}
	}
	var spinners []*exec.Cmd
	for _, cpu := range slices.Concat(b.cpus.server, b.cpus.client) {
		spin := exec.CommandContext(b.ctx, "taskset", "-c", strconv.Itoa(cpu), "chrt", "-i", "0", "sh", "-c", "while :; do :; done")
		if err := spin.Start(); err == nil {
			spinners = append(spinners, spin)
		}
	}
	return func() {
		for _, spin := range spinners {
			_ = spin.Process.Kill()
			_ = spin.Wait()
		}
	}
}
