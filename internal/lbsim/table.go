package lbsim

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strings"
)

// seeds is how often each pair of scenario and policy is played.
const seeds = 5

// Table plays every scenario with every policy, and prints what came of it as
// Markdown: the 99th percentile of the latency, the errors, and where least_time
// is worse than Caddy's least_conn. It takes about a minute.
func Table(w io.Writer) error {
	out := bufio.NewWriter(w)
	contestants := Contestants()
	fmt.Fprintf(out, "99th percentile of the latency of successful requests in ms, and the errors in percent where there are any; medians of %d seeds.\n\n", seeds)
	fmt.Fprint(out, "| scenario |")
	for _, c := range contestants {
		fmt.Fprintf(out, " %s |", c.Name)
	}
	fmt.Fprintf(out, "\n|---|%s\n", strings.Repeat("--:|", len(contestants)))
	var worse []string
	for _, s := range Scenarios() {
		sums := map[string]summary{}
		fmt.Fprintf(out, "| %s |", s.Name)
		for _, c := range contestants {
			sums[c.Name] = summarise(&s, c)
			fmt.Fprintf(out, " %s |", cell(sums[c.Name]))
		}
		fmt.Fprintln(out)
		worse = append(worse, disadvantages(s.Name, sums[LeastTime.Name], sums[LeastConn.Name])...)
	}
	fmt.Fprintf(out, "\nWhere least_time is worse than least_conn:\n\n%s\n", strings.Join(worse, "\n"))
	return out.Flush()
}

func cell(s summary) string {
	if s.errors < 0.0005 {
		return ms(s.p99)
	}
	return fmt.Sprintf("%s, %.1f %%", ms(s.p99), 100*s.errors)
}

// disadvantages lists what is worse by more than what a seed makes.
func disadvantages(scenario string, ours, base summary) (list []string) {
	for _, m := range []struct {
		what       string
		ours, base float64
		tolerance  float64
	}{
		{"median", ours.p50, base.p50, 0.03},
		{"p99", ours.p99, base.p99, 0.03},
		{"p99.9", ours.p999, base.p999, 0.1},
	} {
		if m.ours > m.base*(1+m.tolerance) {
			line := fmt.Sprintf("- %s: %s %s ms instead of %s ms", scenario, m.what, ms(m.ours), ms(m.base))
			if ours.errors < base.errors-0.001 {
				line += fmt.Sprintf(" (but %.1f %% errors instead of %.1f %%)", 100*ours.errors, 100*base.errors)
			}
			list = append(list, line)
		}
	}
	if ours.errors > base.errors+0.0005 {
		list = append(list, fmt.Sprintf("- %s: %.2f %% errors instead of %.2f %%", scenario, 100*ours.errors, 100*base.errors))
	}
	return list
}

// A summary holds medians over the seeds; times are in seconds.
type summary struct{ p50, p99, p999, errors, share float64 }

func summarise(s *Scenario, c Contestant) summary {
	var p50, p99, p999, errors, share []float64
	for seed := range uint64(seeds) {
		r := Run(s, c, seed)
		p50 = append(p50, r.P(0.5).Seconds())
		p99 = append(p99, r.P(0.99).Seconds())
		p999 = append(p999, r.P(0.999).Seconds())
		errors = append(errors, r.Errors(s.Warm, s.Duration))
		share = append(share, r.Share(s.Warm, s.Duration, s.Sick...))
	}
	return summary{median(p50), median(p99), median(p999), median(errors), median(share)}
}

func ms(seconds float64) string {
	if seconds == 0 {
		return "–"
	}
	return fmt.Sprintf("%.1f", seconds*1000)
}

func median(v []float64) float64 {
	sorted := slices.Sorted(slices.Values(v))
	return sorted[len(sorted)/2]
}
