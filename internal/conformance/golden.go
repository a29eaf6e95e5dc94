package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A golden is the report of an earlier run that somebody has read. Any
// difference from it is one to be read as well, a better verdict too.

// Golden is the file of the report on a suite ("release", "repository") and a
// variant of the configuration, below the module's root.
func Golden(root, suite, variant string) string {
	return filepath.Join(root, "testdata", "conformance", suite+"-"+variant+".json")
}

// ReadReport reads a golden.
func ReadReport(file string) (r Report, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	if err != nil {
		return r, fmt.Errorf("reading a golden of the conformance suite: %w", err)
	}
	return r, nil
}

// Write makes r the golden.
func (r Report) Write(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// A Difference is a test that got another verdict than the golden has; "" is a
// test that one of the two does not know.
type Difference struct {
	Kind      Kind
	ID        string
	Want, Got Verdict
}

// Differences compares r with the golden: the tests that matter most first, then
// by id.
func (r Report) Differences(golden Report) []Difference {
	var all []Difference
	for _, kind := range []Kind{Required, Optimal, Check} {
		ids := map[string]Verdict{}
		maps.Copy(ids, golden.Verdicts[kind])
		maps.Copy(ids, r.Verdicts[kind])
		for _, id := range slices.Sorted(maps.Keys(ids)) {
			if want, got := golden.Verdicts[kind][id], r.Verdicts[kind][id]; want != got {
				all = append(all, Difference{kind, id, want, got})
			}
		}
	}
	return all
}

// Falls says which numbers of passed tests are lower in r than in the golden.
// The answers to a check are no better or worse.
func (r Report) Falls(golden Report) []string {
	var all []string
	for _, kind := range []Kind{Required, Optimal} {
		if got, had := r.Totals[kind][Pass], golden.Totals[kind][Pass]; got < had {
			all = append(all, fmt.Sprintf("%s: %d tests pass, fewer than the %d of before", kind, got, had))
		}
	}
	return all
}

// Undecided reports whether all that differs is what the harness could not
// judge: the origin saw a request twice (an idle connection died under it,
// RFC 9110 §9.2.2) or was not told the test, or the client gave up waiting. Only
// then is a second run fair; a verdict on the cache is never asked for twice.
func Undecided(all []Difference) bool {
	unjudged := func(d Difference) bool { return d.Got == Retry || d.Got == HarnessFail }
	follows := func(d Difference) bool { return unjudged(d) || d.Got == DependencyFail }
	return slices.ContainsFunc(all, unjudged) && !slices.ContainsFunc(all, func(d Difference) bool { return !follows(d) })
}
