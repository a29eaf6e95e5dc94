package main

// runMiss compares the time to first byte of what cannot come from storage:
// misses that are stored, and passes that must not be. Both go to the same
// origin from the same process; the baseline is reverse_proxy without a cache.
func runMiss(b *bench) error {
	s, contestants, err := b.startCaddy(storeOf("memory 256MiB"), nil, b.proxied(), b.cached(""))
	if err != nil {
		return err
	}
	defer s.stop()
	defer b.keepAwake()()
	t := table{head: latencyHead}
	for _, traffic := range []struct{ what, target string }{
		{"miss", "/bytes/miss?n=10240&cc=max-age=600"},
		{"pass", "/bytes/pass?n=10240&cc=no-store"},
		{"miss, origin takes 1 ms", "/bytes/slow?n=10240&cc=max-age=600&delay=1ms"},
	} {
		for _, conns := range append([]int{1}, b.conns...) {
			all, err := b.latencies(contestants, traffic.target, conns)
			if err != nil {
				return err
			}
			latencyRows(&t, traffic.what, all)
			if conns == 1 {
				ratio := median(ratios(all[1].p50, all[0].p50))
				b.report.target(traffic.what+": TTFB ≤ 1.05× reverse_proxy, median", ratio, 1.05, false)
			}
		}
	}
	b.report.table(t)
	b.report.note("Where nothing else is said the origin answers at once, as no application does. With more than one connection the clients queue for the server's CPU, and the ratios follow CPU time. Ratios are to reverse_proxy.")
	return nil
}
