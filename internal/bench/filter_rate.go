package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/caddy-portico/portico/filter/rate"
)

// runFilterRate takes the figures of the limiter itself: time on every CPU of
// the machine, by its Go benchmark, and memory.
func runFilterRate(b *bench) error {
	results, err := b.takeTimes()
	if err != nil {
		return err
	}
	t := table{head: []string{"Keys", "ns for a decision", "slowest round"}}
	for _, keys := range []string{"1", "1000", "1000000"} {
		times := results[keys]
		if len(times) == 0 {
			return fmt.Errorf("no figure for %s keys", keys)
		}
		slowest := 0.0
		for _, ns := range times {
			slowest = max(slowest, ns)
		}
		t.add(keys, figure(median(times), 0), figure(slowest, 0))
		b.report.target("ns for a decision with "+keys+" keys, on all CPUs", median(times), 200, false)
	}
	b.report.table(t)
	bytes, err := millionKeys()
	if err != nil {
		return err
	}
	b.report.target("MB of heap for a million keys that used up 10/1m", bytes/1e6, 64, false)
	return nil
}

var benchmarkLine = regexp.MustCompile(`(?m)^BenchmarkTake/keys=(\d+)\S*\s+\d+\s+([\d.]+) ns/op`)

// takeTimes runs the benchmark as often as there are rounds.
func (b *bench) takeTimes() (map[string][]float64, error) {
	args := []string{
		"test", "-run", "^$", "-bench", "^BenchmarkTake$", "-benchtime", "500ms",
		"-count", strconv.Itoa(b.rounds), "github.com/caddy-portico/portico/filter/rate",
	}
	name := "go"
	if b.cpus.unpinned == "" {
		all := append(append([]int(nil), b.cpus.server...), b.cpus.client...)
		args = append([]string{"-c", cpuList(all), "go"}, args...)
		name = "taskset"
	}
	out, err := exec.CommandContext(b.ctx, name, args...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("go test -bench: %w\n%s", err, out)
	}
	results := map[string][]float64{}
	for _, m := range benchmarkLine.FindAllStringSubmatch(string(out), -1) {
		ns, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return nil, err
		}
		results[m[1]] = append(results[m[1]], ns)
	}
	return results, nil
}

// millionKeys is how many bytes of heap a million keys take that have used up
// their limit.
func millionKeys() (float64, error) {
	const keys = 1_000_000
	before, now := heapBytes(), time.Now()
	l, err := rate.New(rate.Config{Policy: rate.Policy{Limit: 10, Window: time.Minute}}, now)
	if err != nil {
		return 0, err
	}
	var key [8]byte
	dice := rand.New(rand.NewPCG(3, 4))
	for range keys {
		binary.LittleEndian.PutUint64(key[:], dice.Uint64())
		for range 10 {
			l.TakeBytes(key[:], now)
		}
	}
	taken := heapBytes() - before
	if s := l.Stats(); s.Keys != keys || s.Evicted != 0 {
		return 0, fmt.Errorf("%d of %d keys are held, %d were forgotten", s.Keys, keys, s.Evicted)
	}
	return taken, nil
}

func heapBytes() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}
