package main

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-portico/portico/internal/origin"
)

// runHit compares a 1 KiB memory hit with respond: a first Caddy shows what
// a hit looks like, a second one serves the very same from two sites.
func runHit(b *bench) error {
	const size = 1024
	target := fmt.Sprintf("/bytes/hit?n=%d&cc=max-age=86400&etag=v1&lm=24h", size)
	header, err := b.hitHeader(target, size)
	if err != nil {
		return err
	}
	respond := site{"respond", fmt.Sprintf("respond %q", origin.Bytes(size, 0))}
	s, contestants, err := b.startCaddy(storeOf("memory 64MiB"), respondWith(header), respond, b.cached(""))
	if err != nil {
		return err
	}
	defer s.stop()
	sent := make([]http.Header, len(contestants))
	for i, c := range contestants {
		if sent[i], err = prime(c, target, size); err != nil {
			return err
		}
	}
	fetched := b.origin.Count("/bytes/hit")
	var all []series
	for _, conns := range b.conns {
		round, err := b.throughput(contestants, target, conns)
		if err != nil {
			return err
		}
		all = append(all, round...)
		ratio := median(ratios(round[1].rps, round[0].rps))
		b.report.target(fmt.Sprintf("hit of 1 KiB ≥ 0.95× respond, %d connections", conns), ratio, 0.95, true)
	}
	b.throughputTable(all, "respond")
	b.report.note("Both send %d bytes and the fields %s.", size, strings.Join(slices.Sorted(maps.Keys(sent[0])), ", "))
	if only := oneSided(sent[0], sent[1]); len(only) > 0 {
		b.report.note("Not the same: only one of them sends %s.", strings.Join(only, ", "))
	}
	b.originTarget("hit", "/bytes/hit", fetched)
	return nil
}

// oneSided is the names of the fields that only one of two headers has.
func oneSided(a, b http.Header) []string {
	var names []string
	for _, pair := range [][2]http.Header{{a, b}, {b, a}} {
		for name := range pair[0] {
			if _, ok := pair[1][name]; !ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// originTarget records that what was measured as a hit never left the cache.
func (b *bench) originTarget(what, path string, before int) {
	during := b.origin.Count(path) - before
	b.report.target(what+": requests the origin saw while hits were measured", float64(during), 0, false)
}

// hitHeader returns the fields of a hit, as respond is to send them. Date is
// among them, which saves respond formatting one: the comparison is strict.
func (b *bench) hitHeader(target string, size int64) (http.Header, error) {
	s, contestants, err := b.startCaddy(storeOf("memory 64MiB"), nil, b.cached(""))
	if err != nil {
		return nil, err
	}
	defer s.stop()
	header, err := prime(contestants[0], target, size)
	if err != nil {
		return nil, err
	}
	header.Del("Content-Length") // net/http adds it to both
	if _, ok := header["Server"]; !ok {
		header["Server"] = []string{} // respond is not to send Caddy's either
	}
	return header, nil
}
