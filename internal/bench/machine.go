package main

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// machineFacts says what the figures depend on.
func (b *bench) machineFacts() []string {
	facts := []string{
		fmt.Sprintf("CPU: %s, %d CPUs, %s/%s", cpuModel(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH),
		"Kernel: " + firstLine("/proc/sys/kernel/osrelease"),
		fmt.Sprintf("Caddy: %s (%s)", version(b.caddy, "version"), runtime.Version()),
	}
	for _, peer := range []struct{ program, flag string }{
		{"nginx", "-v"}, {"varnishd", "-V"}, {"wrk", "-v"},
	} {
		path, err := lookPath(peer.program)
		if err != nil {
			facts = append(facts, err.Error())
			continue
		}
		facts = append(facts, peer.program+": "+version(path, peer.flag))
	}
	if b.cpus.unpinned != "" {
		facts = append(facts, "Not pinned: "+b.cpus.unpinned)
	} else {
		facts = append(facts, fmt.Sprintf("Pinned: server on CPU %s, client and origin on CPU %s",
			cpuList(b.cpus.server), cpuList(b.cpus.client)))
	}
	var load float64
	if _, err := fmt.Sscan(firstLine("/proc/loadavg"), &load); err == nil && load > 1 {
		facts = append(facts, "The machine is busy with something else: trust only what repeats")
	}
	return append(facts,
		fmt.Sprintf("%d interleaved rounds, turns of %v; figures are medians over the rounds, ratios medians of each round's ratio", b.rounds, b.duration),
		"Load average at the start: "+firstLine("/proc/loadavg"))
}

func cpuModel() string {
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

// version is the first line a program prints about itself, on either stream;
// wrk and nginx exit with an error or use stderr.
func version(program, flag string) string {
	out, _ := exec.Command(program, flag).CombinedOutput()
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if line == "" {
		return "unknown version"
	}
	return line
}
