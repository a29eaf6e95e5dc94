package main

import (
	"fmt"
	"io"
	"time"

	"github.com/caddy-portico/portico/internal/origin"
)

// runStream lets 1 GiB through a cache that stores at most 8 MiB of it, with
// the length known beforehand and unknown, and looks at how much the process
// grows. Every byte is compared.
func runStream(b *bench) error {
	const limit = 64
	s, contestants, err := b.startCaddy(storeOf("memory 64MiB"), nil, b.proxied(), b.cached("{\nmax_object_size 8MiB\n}"))
	if err != nil {
		return err
	}
	defer s.stop()
	t := table{head: []string{"Contestant", "length", "growth MiB", "MiB/s", "TTFB ms"}}
	for _, length := range []string{"known", "unknown"} {
		for _, c := range contestants {
			target := fmt.Sprintf("/bytes/stream-%s-%s?n=1GiB&cc=max-age=600", length, c.name)
			if length == "unknown" {
				target += "&length=off"
			}
			growth, r, took, err := b.streamed(c, target)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			t.add(c.name, length, figure(growth, 1), figure(1024/took.Seconds(), 0), millis(r.ttfb.Seconds()))
			if c.name == "response_cache" {
				b.report.target(fmt.Sprintf("stream of 1 GiB, length %s: growth of RSS in MiB < %d", length, limit), growth, limit, false)
			}
		}
	}
	b.report.table(t)
	return nil
}

// streamed fetches the target once and returns by how much the peak of the
// server's resident memory rose above what it had before.
func (b *bench) streamed(c contestant, target string) (growth float64, r reply, took time.Duration, err error) {
	pid := c.server.pid()
	before, err := rssMiB(pid)
	if err == nil {
		err = resetPeak(pid)
	}
	if err != nil {
		return 0, r, 0, err
	}
	conn := &client{addr: c.addr}
	defer conn.close()
	start := time.Now()
	r, err = conn.get(target, func(body io.Reader) (int64, error) { return origin.Verify(body, 0) })
	took = time.Since(start)
	if err == nil && r.length != 1<<30 {
		err = fmt.Errorf("status %d, %d bytes", r.status, r.length)
	}
	if err != nil {
		return 0, r, took, err
	}
	peak, err := peakMiB(pid)
	return peak - before, r, took, err
}
