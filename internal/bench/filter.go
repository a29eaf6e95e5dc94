package main

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"

	"github.com/caddy-portico/portico/internal/origin"
)

// filterRanges is how many ranges are denied. Filters people subscribe to have
// tens of thousands.
const filterRanges = 200_000

// filterSize is the size of every answer, in bytes.
const filterSize = 1024

// runFilter measures requests that pass, which are what a filter costs: the same
// answer with nothing in front, with the defaults and a long list of ranges, and
// with a rate limit besides. nginx and HAProxy do the same with theirs.
func runFilter(b *bench) error {
	list, err := b.writeRanges()
	if err != nil {
		return err
	}
	respond := fmt.Sprintf("respond %q", origin.Bytes(filterSize, 0))
	s, contestants, err := b.startCaddy("\trequest_filter {\n\t\tip_list bench {\n\t\t\tfile "+list+"\n\t\t}\n\t}\n", nil,
		site{"respond", respond},
		site{"request_filter", "request_filter {\ndeny @bench\n}\n" + respond},
		site{"request_filter with a rate", "request_filter {\ndeny @bench\nrate all {\nlimit 1000000/1s\n}\n}\n" + respond})
	if err != nil {
		return err
	}
	defer s.stop()
	peers, stop := b.filterPeers(list)
	defer stop()
	contestants = append(contestants, peers...)
	for _, c := range contestants {
		if err := answers(c); err != nil {
			return err
		}
	}
	var all []series
	for _, conns := range b.conns {
		round, err := b.throughput(contestants, "/", conns)
		if err != nil {
			return err
		}
		all = append(all, round...)
		of := func(i int) float64 { return median(ratios(round[i].rps, round[0].rps)) }
		b.report.target(fmt.Sprintf("defaults with %d denied ranges ≥ 0.9× respond, %d connections", filterRanges, conns), of(1), 0.9, true)
		b.report.target(fmt.Sprintf("allocations for a request that passes, %d connections", conns),
			median(differences(round[1].allocs, round[0].allocs)), 3, false)
	}
	b.throughputTable(all, "respond")
	b.report.note("nginx and HAProxy answer from a file and from memory; both are here to show what their filters cost: compare with their own row without.")
	return nil
}

// answers checks that a contestant lets a request pass.
func answers(c contestant) error {
	conn := &client{addr: c.addr}
	defer conn.close()
	r, err := conn.get("/", func(body io.Reader) (int64, error) { return io.Copy(io.Discard, body) })
	if err == nil && (r.status != http.StatusOK || r.length != filterSize) {
		err = fmt.Errorf("status %d, %d bytes", r.status, r.length)
	}
	if err != nil {
		return fmt.Errorf("%s does not answer as it should: %w", c.name, err)
	}
	return nil
}

// writeRanges writes the list: random IPv4 ranges of the lengths that
// blocklists have, none of them the client's.
func (b *bench) writeRanges() (path string, err error) {
	path = filepath.Join(b.dir, "denied.txt")
	file, err := os.Create(path)
	if err != nil {
		return "", err
	}
	dice := rand.New(rand.NewPCG(1, 2))
	w := bufio.NewWriter(file)
	for seen := make(map[netip.Prefix]bool, filterRanges); len(seen) < filterRanges; {
		n := dice.Uint32()
		addr := netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		prefix, _ := addr.Prefix(16 + dice.IntN(17))
		if prefix.Addr().IsLoopback() || seen[prefix] || n>>24 == 127 {
			continue
		}
		seen[prefix] = true
		fmt.Fprintln(w, prefix)
	}
	if err := w.Flush(); err != nil {
		return "", err
	}
	return path, file.Close()
}
