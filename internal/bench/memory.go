package main

import (
	"fmt"
	"io"

	"github.com/caddy-portico/portico/internal/origin"
)

// sizes are the objects that pass through the store, in turn: pages, scripts,
// pictures, downloads.
var sizes = []int64{4 << 10, 32 << 10, 128 << 10, 1 << 20}

// runMemory passes 600 MB of distinct objects through a store of 64 MiB and
// looks at the most the process ever had resident. reverse_proxy alone with
// the same traffic shows how much of that is Caddy's.
func runMemory(b *bench) error {
	const limit = 250
	t := table{head: []string{"Contestant", "at the start MiB", "peak MiB", "at the end MiB", "objects", "still stored"}}
	for _, s := range []site{b.proxied(), b.cached("")} {
		row, peak, err := b.fillMemory(s)
		if err != nil {
			return err
		}
		t.add(row...)
		if s.name == "response_cache" {
			b.report.target(fmt.Sprintf("memory: peak RSS in MiB with a store of 64 MiB ≤ %d", limit), peak, limit, false)
		}
	}
	b.report.table(t)
	b.report.note("600 MB of distinct objects, %v bytes in turn, 8 connections. Still stored: how many of the last 40 objects are served without the origin.", sizes)
	return b.ctx.Err()
}

func (b *bench) fillMemory(s site) (row []string, peak float64, err error) {
	srv, contestants, err := b.startCaddy(storeOf("memory 64MiB"), nil, s)
	if err != nil {
		return nil, 0, err
	}
	defer srv.stop()
	atStart, err := rssMiB(srv.pid())
	if err != nil {
		return nil, 0, err
	}
	clients := newClients(contestants[0].addr, 8)
	defer closeClients(clients)
	n := objectsFor(600e6)
	ask := func(c *client, i int) error {
		size := sizes[i%len(sizes)]
		target := fmt.Sprintf("/bytes/memory?n=%d&cc=max-age=600&i=%d", size, i)
		r, err := c.get(target, func(body io.Reader) (int64, error) { return origin.Verify(body, 0) })
		if err == nil && r.length != size {
			err = fmt.Errorf("status %d, %d bytes instead of %d", r.status, r.length, size)
		}
		return err
	}
	if err := each(clients, n, ask); err != nil {
		return nil, 0, err
	}
	if peak, err = peakMiB(srv.pid()); err != nil {
		return nil, 0, err
	}
	atEnd, _ := rssMiB(srv.pid())

	const last = 40
	before := b.origin.Count("/bytes/memory")
	err = each(clients[:1], last, func(c *client, i int) error { return ask(c, n-1-i) })
	stored := last - (b.origin.Count("/bytes/memory") - before)
	return []string{
		s.name, figure(atStart, 0), figure(peak, 0), figure(atEnd, 0), fmt.Sprint(n), fmt.Sprintf("%d of %d", stored, last),
	}, peak, err
}

// objectsFor is how many objects of those sizes make up so many bytes.
func objectsFor(total int64) int {
	n := 0
	for ; total > 0; n++ {
		total -= sizes[n%len(sizes)]
	}
	return n
}
