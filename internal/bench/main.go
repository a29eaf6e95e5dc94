// Command bench measures what Portico promises about speed and memory, and
// prints it as Markdown: `go run ./internal/bench [flags] [name…]`.
//
// It promises to be fair and to be honest. Fair: server and client run on
// different CPUs, contestants are interleaved round by round so that a noisy
// machine is noisy for all of them, what is compared runs in the same process
// where that is possible, and every contestant is checked to send the same
// bytes before it is measured. Honest: it says which figures it could not take
// and why, and which target was missed. CPU-seconds per million requests are
// charged to the server's processes alone, so that they hold even where
// client and server compete.
//
// It installs nothing. nginx, varnishd, wrk and taskset are used if they are
// in PATH; the Caddy under test is built from this tree. All servers listen on
// free loopback ports and live in a temporary directory.
//
// Each benchmark is one file with one function; the table below is the menu.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddy-portico/portico/internal/origin"
)

// benchmarks is every benchmark, in the order in which they run. A new one is
// a file with such a function, and a line here.
var benchmarks = []struct {
	name  string
	shows string
	run   func(*bench) error
}{
	{"hit", "1 KiB memory hits against Caddy's own respond: same process, body and header fields", runHit},
	{"hit100k", "100 KiB hits against nginx proxy_cache and Varnish", runHit100k},
	{"miss", "time to first byte of misses and passes against bare reverse_proxy in the same process", runMiss},
	{"stampede", "1000 clients at once on a cold key whose origin takes 300 ms", runStampede},
	{"memory", "600 MB of distinct objects through a store of 64 MiB", runMemory},
	{"stream", "a body of 1 GiB that is too large to store", runStream},
	{lbScenarios[0].name, lbScenarios[0].shows, lbScenarios[0].run},
	{lbScenarios[1].name, lbScenarios[1].shows, lbScenarios[1].run},
	{lbScenarios[2].name, lbScenarios[2].shows, lbScenarios[2].run},
	{lbScenarios[3].name, lbScenarios[3].shows, lbScenarios[3].run},
	{lbScenarios[4].name, lbScenarios[4].shows, lbScenarios[4].run},
	{"lb-sim", "load-balancing policies in virtual time: no network, and the same in every run", runLBSim},
	{"filter", "requests that request_filter lets pass, with 200 000 denied ranges and with a rate limit, against Caddy's own respond, nginx and HAProxy", runFilter},
	{"filter-rate", "a decision of a rate limit, on all CPUs, and what a key takes", runFilterRate},
	{"lb-cost", "what load-balancing policies cost in front of backends that cost nothing", runLBCost},
}

// bench is what the benchmarks share.
type bench struct {
	ctx      context.Context
	rounds   int
	duration time.Duration // of one contestant's turn in one round
	conns    []int
	cpus     cpuPlan
	dir      string // temporary; every server has a directory in it
	caddy    string // the binary under test
	origin   *origin.Origin
	report   *report
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	b := &bench{report: newReport(os.Stdout)}
	conns := flag.String("conns", "8,64", "connection counts")
	only := flag.String("only", "", "run only these, comma-separated: "+strings.Join(names(), ", "))
	strict := flag.Bool("strict", false, "exit with an error when a target is missed")
	flag.StringVar(&b.caddy, "caddy", "", "a Caddy binary to measure; default: built from this tree")
	flag.IntVar(&b.rounds, "rounds", 9, "rounds in which the contestants take turns")
	flag.DurationVar(&b.duration, "duration", time.Second, "of one turn")
	flag.Usage = usage
	flag.Parse()

	wanted, err := selected(*only, flag.Args())
	if err != nil {
		return err
	}
	if b.conns, err = counts(*conns); err != nil {
		return err
	}
	var cancel context.CancelFunc
	b.ctx, cancel = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := b.prepare(); err != nil {
		return err
	}
	defer os.RemoveAll(b.dir)
	defer b.origin.Close()

	b.report.facts(b.machineFacts())
	for _, bm := range benchmarks {
		if !slices.Contains(wanted, bm.name) {
			continue
		}
		b.report.section(bm.name, bm.shows)
		if err := bm.run(b); err != nil {
			if b.ctx.Err() != nil {
				return b.ctx.Err()
			}
			b.report.notTaken(bm.name, err)
		}
	}
	missed := b.report.summary()
	if *strict && missed > 0 {
		return fmt.Errorf("%d targets missed or not taken", missed)
	}
	return nil
}

// prepare builds Caddy, starts the origin and takes the client's CPUs.
func (b *bench) prepare() error {
	var err error
	if b.dir, err = os.MkdirTemp("", "portico-bench-"); err != nil {
		return err
	}
	if b.caddy == "" {
		b.caddy = filepath.Join(b.dir, "caddy")
		build := exec.CommandContext(b.ctx, "go", "build", "-o", b.caddy, "github.com/caddy-portico/portico/cmd/caddy")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("building Caddy: %w\n%s", err, out)
		}
	}
	b.cpus = planCPUs()
	b.cpus.pinSelf()
	debug.SetGCPercent(400) // the generator's garbage collection is not what is measured
	b.origin = origin.New(nil)
	b.origin.Keep = 0
	return nil
}

func names() []string {
	var all []string
	for _, bm := range benchmarks {
		all = append(all, bm.name)
	}
	return all
}

// selected is what -only and the arguments name; everything if they are empty.
func selected(only string, args []string) ([]string, error) {
	if only != "" {
		args = append(args, strings.Split(only, ",")...)
	}
	if len(args) == 0 {
		return names(), nil
	}
	var wanted []string
	for _, arg := range args { // "lb" means all whose names begin with "lb-"
		before := len(wanted)
		for _, name := range names() {
			if name == arg || strings.HasPrefix(name, arg+"-") {
				wanted = append(wanted, name)
			}
		}
		if len(wanted) == before {
			return nil, fmt.Errorf("no benchmark %q; there are %s", arg, strings.Join(names(), ", "))
		}
	}
	return wanted, nil
}

func counts(list string) ([]int, error) {
	var conns []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 1 {
			return nil, errors.New("-conns wants a comma list of positive numbers")
		}
		conns = append(conns, n)
	}
	return conns, nil
}

func usage() {
	out := flag.CommandLine.Output()
	fmt.Fprintln(out, "usage: go run ./internal/bench [flags] [name…]")
	for _, bm := range benchmarks {
		fmt.Fprintf(out, "  %-9s %s\n", bm.name, bm.shows)
	}
	flag.PrintDefaults()
}
