package main

import (
	"errors"
	"fmt"
)

// runHit100k compares hits of 100 KiB with the caches people run today.
func runHit100k(b *bench) error {
	const size = 100 << 10
	target := fmt.Sprintf("/bytes/hit100k?n=%d&cc=max-age=86400&etag=v1", size)
	s, contestants, err := b.startCaddy(storeOf("memory 64MiB"), nil, b.cached(""))
	if err != nil {
		b.report.notTaken("response_cache", err)
	} else {
		defer s.stop()
	}
	peers, stop := b.peers()
	defer stop()
	contestants = append(contestants, peers...)
	if len(contestants) == 0 {
		return errors.New("nobody to measure")
	}
	for _, c := range contestants {
		if _, err := prime(c, target, size); err != nil {
			return err
		}
	}
	fetched := b.origin.Count("/bytes/hit100k")
	var all []series
	for _, conns := range b.conns {
		round, err := b.throughput(contestants, target, conns)
		if err != nil {
			return err
		}
		all = append(all, round...)
	}
	b.throughputTable(all, contestants[0].name)
	b.originTarget("hit100k", "/bytes/hit100k", fetched)
	return nil
}
