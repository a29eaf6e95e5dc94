package main

import (
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// wrk runs wrk against a URL. It inherits this process's CPUs.
func (b *bench) wrk(program, url string, conns int, d time.Duration) (outcome, error) {
	threads := min(b.cpus.clientCount(), conns)
	cmd := exec.CommandContext(b.ctx, program, "-t", strconv.Itoa(threads), "-c", strconv.Itoa(conns),
		"-d", strconv.Itoa(max(1, int(d.Seconds()+0.5)))+"s", "--latency", url)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return outcome{}, fmt.Errorf("wrk: %w: %s", err, out)
	}
	return parseWrk(string(out))
}

// parseWrk reads what wrk 4 prints.
func parseWrk(text string) (outcome, error) {
	o := outcome{p50: math.NaN(), p99: math.NaN()}
	for line := range strings.Lines(text) {
		f := strings.Fields(strings.NewReplacer(",", "", ":", "").Replace(line))
		switch {
		case len(f) >= 4 && f[1] == "requests" && f[2] == "in":
			took, err := time.ParseDuration(f[3])
			if err != nil {
				return o, fmt.Errorf("wrk printed %q", line)
			}
			o.requests, _ = strconv.Atoi(f[0])
			o.seconds = took.Seconds()
		case len(f) == 2 && f[0] == "50%":
			o.p50 = wrkTime(f[1])
		case len(f) == 2 && f[0] == "99%":
			o.p99 = wrkTime(f[1])
		case strings.Contains(line, "Socket errors"), strings.Contains(line, "Non-2xx"):
			for _, word := range f {
				n, _ := strconv.Atoi(word)
				o.errors += n
			}
		}
	}
	if o.requests == 0 {
		return o, fmt.Errorf("wrk printed %q", text)
	}
	return o, nil
}

func wrkTime(text string) float64 {
	d, err := time.ParseDuration(text)
	if err != nil {
		return math.NaN()
	}
	return d.Seconds()
}
