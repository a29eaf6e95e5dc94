package lbsim

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"
)

// seeds is how often each pair of scenario and policy is played.
const seeds = 5

// Table plays every scenario with every policy, and prints what came of it. The
// figures are medians over the seeds.
func Table(w io.Writer) error {
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.Debug)
	fmt.Fprintln(out, "scenario\tpolicy\tp50 ms\tp99 ms\tp99.9 ms\terrors %\tshare of the sick %\tp99 to least_conn\t")
	for _, s := range Scenarios() {
		base := summarise(&s, LeastConn)
		for _, c := range Contestants() {
			sum := summarise(&s, c)
			fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\t%.2f\t%.2f\t%.2f\t%s\n", s.Name, c.Name,
				ms(sum.p50), ms(sum.p99), ms(sum.p999), 100*sum.errors, 100*sum.share,
				sum.p99/base.p99, verdict(c, sum, base))
		}
	}
	return out.Flush()
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

func verdict(c Contestant, got, base summary) string {
	if c.Name != LeastTime.Name {
		return ""
	}
	switch {
	case got.errors > base.errors+0.001:
		return "loses to least_conn: more errors"
	case got.errors < base.errors-0.001:
		return "wins: fewer errors"
	case got.p99 > 1.02*base.p99:
		return "loses to least_conn"
	case got.p99 < 0.98*base.p99:
		return "wins"
	default:
		return "equal"
	}
}

func ms(seconds float64) string {
	if seconds == 0 || math.IsNaN(seconds) {
		return "-"
	}
	return fmt.Sprintf("%.1f", seconds*1000)
}

func median(v []float64) float64 {
	sorted := append([]float64(nil), v...)
	for i := range sorted {
		for k := i; k > 0 && sorted[k] < sorted[k-1]; k-- {
			sorted[k], sorted[k-1] = sorted[k-1], sorted[k]
		}
	}
	return sorted[len(sorted)/2]
}

var _ = time.Second
