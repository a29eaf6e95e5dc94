package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"unicode/utf8"
)

// report writes Markdown, block by block with an empty line before each, that also reads well in a terminal, and keeps the
// targets for the summary.
type report struct {
	w       io.Writer
	targets []target
	missing []string // figures not taken, with the reason
	failed  int      // of them, those that were ours to take
}

// target is a promise and what was measured.
type target struct {
	promise string
	got     string
	met     bool
}

func newReport(w io.Writer) *report { return &report{w: w} }

func (r *report) facts(lines []string) {
	fmt.Fprint(r.w, "# Benchmark\n\n")
	for _, line := range lines {
		fmt.Fprintf(r.w, "- %s\n", line)
	}
}

func (r *report) section(name, shows string) {
	fmt.Fprintf(r.w, "\n## %s\n\n%s.\n", name, shows)
}

func (r *report) note(format string, args ...any) {
	fmt.Fprintf(r.w, "\n"+format+"\n", args...)
}

// notTaken records figures of Portico that could not be measured.
func (r *report) notTaken(what string, why error) {
	r.failed++
	r.absent(what, why)
}

// absent records figures of a peer that could not be measured, most likely
// because it is not installed.
func (r *report) absent(what string, why error) {
	fmt.Fprintf(r.w, "\nNot taken: %s: %v\n", what, why)
	cause, _, _ := strings.Cut(why.Error(), "\n")
	r.missing = append(r.missing, what+": "+cause)
}

// target records a promise that holds if got is at most limit, or at least
// limit where atLeast is set.
func (r *report) target(promise string, got, limit float64, atLeast bool) {
	met := got <= limit
	if atLeast {
		met = got >= limit
	}
	decimals := 3
	if got == math.Trunc(got) || got >= 100 {
		decimals = 0
	}
	r.targets = append(r.targets, target{promise, figure(got, decimals), met})
}

// summary prints every target and every figure not taken, and returns how
// many targets were missed or could not be measured.
func (r *report) summary() int {
	fmt.Fprint(r.w, "\n## Targets\n")
	bad := r.failed
	t := table{head: []string{"Target", "Measured", ""}}
	for _, g := range r.targets {
		verdict := "met"
		if !g.met {
			verdict = "MISSED"
			bad++
		}
		t.add(g.promise, g.got, verdict)
	}
	r.table(t)
	for _, m := range r.missing {
		fmt.Fprintf(r.w, "\nNot taken: %s\n", m)
	}
	return bad
}

// table is a header line and rows of cells.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// table prints with the first column to the left, the others to the right.
func (r *report) table(t table) {
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	rule := make([]string, len(widths))
	for i, width := range widths {
		rule[i] = strings.Repeat("-", max(width, 3)-1) + ":"
	}
	rule[0] = strings.Repeat("-", max(widths[0], 3))
	fmt.Fprintln(r.w)
	for _, row := range append([][]string{t.head, rule}, t.rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", max(0, max(widths[i], 3)-utf8.RuneCountInString(cell)))
			if i == 0 {
				line.WriteString("| " + cell + pad + " |")
			} else {
				line.WriteString(" " + pad + cell + " |")
			}
		}
		fmt.Fprintln(r.w, line.String())
	}
}

// figure prints a number with so many decimals, thousands separated, or a
// dash for one that was not taken.
func figure(v float64, decimals int) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "–"
	}
	text := fmt.Sprintf("%.*f", decimals, v)
	whole, fraction, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0 && whole[i-1] != '-'; i -= 3 {
		whole = whole[:i] + " " + whole[i:]
	}
	if fraction != "" {
		return whole + "." + fraction
	}
	return whole
}

// micros prints seconds as microseconds, millis as milliseconds.
func micros(seconds float64) string { return figure(seconds*1e6, 0) }
func millis(seconds float64) string { return figure(seconds*1e3, 1) }
