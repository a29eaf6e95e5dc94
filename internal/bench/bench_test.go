package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/caddy-portico/portico/internal/origin"
	"github.com/google/go-cmp/cmp"
)

func TestParseWrk(t *testing.T) {
	const printed = `Running 2s test @ http://127.0.0.1:1/
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.49ms    1.59ms  12.89ms   85.62%
    Req/Sec     8.24k   607.76     9.09k    70.00%
  Latency Distribution
     50%  812.00us
     75%    2.01ms
     90%    3.78ms
     99%    7.11ms
  16399 requests in 2.00s, 19.44MB read
  Socket errors: connect 0, read 3, write 0, timeout 1
  Non-2xx or 3xx responses: 12
Requests/sec:   8198.13
Transfer/sec:      9.72MB
`
	got, err := parseWrk(printed)
	want := outcome{requests: 16399, errors: 16, seconds: 2, p50: 812e-6, p99: 7.11e-3}
	if err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := parseWrk("unable to connect"); err == nil {
		t.Error("output without figures was accepted")
	}
}

func TestStatistics(t *testing.T) {
	var times []time.Duration
	for i := range 100 {
		times = append(times, time.Duration(100-i)*time.Second)
	}
	for q, want := range map[float64]float64{0: 1, 0.5: 50, 0.99: 99, 1: 100} {
		if got := quantile(times, q); got != want {
			t.Errorf("quantile(%v) = %v, want %v", q, got, want)
		}
	}
	if got := median([]float64{9, math.NaN(), 1, 2, 4}); got != 3 {
		t.Errorf("median = %v, want 3", got)
	}
	if !math.IsNaN(median(nil)) || !math.IsNaN(quantile(nil, 0.5)) {
		t.Error("no values have a median")
	}
	if got := ratios([]float64{4, 9}, []float64{2, 3}); !cmp.Equal(got, []float64{2, 3}) {
		t.Errorf("ratios = %v", got)
	}
}

func TestReport(t *testing.T) {
	var out bytes.Buffer
	r := newReport(&out)
	r.section("a", "b")
	r.table(table{head: []string{"Who", "µ"}, rows: [][]string{{"x", figure(1234567.6, 0)}, {"long", figure(math.NaN(), 1)}}})
	r.target("fast", 0.96, 0.95, true)
	r.target("small", 3, 2, false)
	r.absent("peer", fmt.Errorf("not there\nlog"))
	if missed := r.summary(); missed != 1 {
		t.Errorf("%d missed, want 1", missed)
	}
	want := `
## a

b.

| Who  |         µ |
| ---- | --------: |
| x    | 1 234 568 |
| long |         – |

Not taken: peer: not there
log

## Targets

| Target | Measured |        |
| ------ | -------: | -----: |
| fast   |    0.960 |    met |
| small  |        3 | MISSED |

Not taken: peer: not there
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRespondWith(t *testing.T) {
	var config any
	text := `{"routes":[{"handle":[{"handler":"static_response","body":"x"},{"handler":"other"}]}]}`
	if err := json.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	respondWith(http.Header{"Age": {"0"}})(config)
	got, _ := json.Marshal(config)
	want := `{"routes":[{"handle":[{"body":"x","handler":"static_response","headers":{"Age":["0"]}},{"handler":"other"}]}]}`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
}

func TestClosedLoopCountsWhatTheOriginSaw(t *testing.T) {
	o := origin.New(t)
	clients := newClients(o.Addr, 3)
	defer closeClients(clients)
	good, times := closedLoop(t.Context(), clients, 30*time.Millisecond, numbered("/a?n=100&u="))
	if good.requests == 0 || good.errors != 0 || good.requests != o.Count("/a") || len(times) != good.requests {
		t.Errorf("%+v, %d times, origin saw %d", good, len(times), o.Count("/a"))
	}
	if good.p50 <= 0 || good.p99 < good.p50 {
		t.Errorf("p50 %v, p99 %v", good.p50, good.p99)
	}
	if bad, _ := closedLoop(t.Context(), clients, 30*time.Millisecond, numbered("/b?status=500&u=")); bad.requests != 0 || bad.errors == 0 {
		t.Errorf("500s: %+v", bad)
	}
}

func TestRushSeesCollapsedAndBrokenAnswers(t *testing.T) {
	o := origin.New(t)
	if got := len(rush(o.Addr, "/a?n=10240")); got != crowd || o.Count("/a") != crowd {
		t.Errorf("%d answers, %d requests", got, o.Count("/a"))
	}
	if got := len(rush(o.Addr, "/b?n=10240&abort=5000")); got != 0 {
		t.Errorf("%d aborted answers counted", got)
	}
}

func TestPrimeRefusesOtherBytes(t *testing.T) {
	o := origin.New(t)
	c := contestant{name: "it", addr: o.Addr}
	if h, err := prime(c, "/a?n=5000&etag=v", 5000); err != nil || h.Get("Etag") != `"v"` {
		t.Errorf("%v, %v", h, err)
	}
	for _, target := range []string{"/a?n=4999", "/a?n=5000&seed=1", "/a?n=5000&status=404"} {
		if _, err := prime(c, target, 5000); err == nil {
			t.Errorf("%s was accepted", target)
		}
	}
}

func TestProcessFigures(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs Linux's /proc")
	}
	busy := exec.Command("sh", "-c", "while :; do :; done")
	if err := busy.Start(); err != nil {
		t.Fatal(err)
	}
	defer busy.Wait() //nolint:errcheck // killed
	defer busy.Process.Kill()
	before := cpuSeconds(os.Getpid())
	deadline := time.Now().Add(20 * time.Second)
	for cpuSeconds(os.Getpid()) < before+0.05 {
		if time.Now().After(deadline) {
			t.Fatal("a busy descendant is not counted")
		}
		runtime.Gosched()
	}
	rss, err := rssMiB(os.Getpid())
	peak, err2 := peakMiB(os.Getpid())
	if err != nil || err2 != nil || rss <= 0 || peak < rss {
		t.Errorf("rss %v, peak %v, %v, %v", rss, peak, err, err2)
	}
	if !math.IsNaN(cpuSeconds(1 << 30)) {
		t.Error("a process that does not exist has used CPU time")
	}
}

func TestSelected(t *testing.T) {
	all, err := selected("", nil)
	if err != nil || len(all) != len(benchmarks) {
		t.Errorf("%v, %v", all, err)
	}
	some, err := selected("hit,miss", []string{"stream"})
	if err != nil || !cmp.Equal(some, []string{"stream", "hit", "miss"}) {
		t.Errorf("%v, %v", some, err)
	}
	if _, err := selected("hits", nil); err == nil {
		t.Error("an unknown name was accepted")
	}
}
