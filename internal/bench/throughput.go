package main

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"time"

	"github.com/caddy-portico/portico/internal/origin"
)

// series is what one contestant did, round by round.
type series struct {
	contestant
	conns  int
	rps    []float64
	p99    []float64 // seconds
	cpu    []float64 // seconds for a million requests
	allocs []float64 // heap objects for one request
	errors int
}

// throughput lets the contestants take turns on one target: a warm-up round,
// then as many as asked for.
func (b *bench) throughput(contestants []contestant, target string, conns int) ([]series, error) {
	result := make([]series, len(contestants))
	for i, c := range contestants {
		result[i] = series{contestant: c, conns: conns}
		if _, err := b.generate(c, target, conns, time.Second); err != nil {
			return nil, err
		}
	}
	for range b.rounds {
		for i := range result {
			if err := b.turn(&result[i], target); err != nil {
				return nil, err
			}
		}
	}
	return result, nil
}

// turn adds one round to the series.
func (b *bench) turn(s *series, target string) error {
	mallocs, cpu := s.server.mallocs(), cpuSeconds(s.server.pid())
	o, err := b.generate(s.contestant, target, s.conns, b.duration)
	if err != nil {
		return err
	}
	cpu, mallocs = cpuSeconds(s.server.pid())-cpu, s.server.mallocs()-mallocs
	n := float64(o.requests)
	s.rps = append(s.rps, n/o.seconds)
	s.p99 = append(s.p99, o.p99)
	s.cpu = append(s.cpu, cpu/n*1e6)
	s.allocs = append(s.allocs, mallocs/n)
	s.errors += o.errors
	return nil
}

// generate drives one contestant with wrk, or with our own closed loop where
// there is no wrk.
func (b *bench) generate(c contestant, target string, conns int, d time.Duration) (outcome, error) {
	if err := b.ctx.Err(); err != nil {
		return outcome{}, err
	}
	if program, err := exec.LookPath("wrk"); err == nil {
		return b.wrk(program, "http://"+c.addr+target, conns, d)
	}
	clients := newClients(c.addr, conns)
	defer closeClients(clients)
	o, _ := closedLoop(b.ctx, clients, d, func() string { return target })
	if o.requests == 0 {
		return o, fmt.Errorf("%s answered nothing", c.name)
	}
	return o, nil
}

// throughputTable prints the series, with the ratio of each to the one it is
// compared with: the first of its connection count.
func (b *bench) throughputTable(all []series, against string) {
	t := table{head: []string{"Contestant", "conns", "req/s", "vs " + against, "p99 µs", "CPU s/M req", "allocs/req", "errors"}}
	var base series
	for _, s := range all {
		if s.conns != base.conns {
			base = s
		}
		t.add(s.name, fmt.Sprint(s.conns), figure(median(s.rps), 0),
			figure(median(ratios(s.rps, base.rps)), 3), micros(median(s.p99)),
			figure(median(s.cpu), 1), figure(median(s.allocs), 1), fmt.Sprint(s.errors))
	}
	b.report.table(t)
}

// prime asks the contestant for the target until the answer comes from
// storage, checks the generated body of that size, and returns the header of
// the last answer.
func prime(c contestant, target string, size int64) (http.Header, error) {
	conn := &client{addr: c.addr}
	defer conn.close()
	var header http.Header
	for range 3 {
		r, err := conn.get(target, func(body io.Reader) (int64, error) { return origin.Verify(body, 0) })
		if err == nil && (r.status != http.StatusOK || r.length != size) {
			err = fmt.Errorf("status %d, %d bytes instead of %d", r.status, r.length, size)
		}
		if err != nil {
			return nil, fmt.Errorf("%s does not answer as it should: %w", c.name, err)
		}
		header = r.header
	}
	return header, nil
}
