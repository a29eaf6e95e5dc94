package conformance

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The rules by which the suite's authors make verdicts of results, and by
// which they publish those of other caches. Of the two forms of the suite the
// repository's rules count here; they only add harness_fail.

// A Test is what the rules need to know of one.
type Test struct {
	ID          string   `json:"id"`
	Kind        Kind     `json:"kind"`
	DependsOn   []string `json:"depends_on"`
	BrowserOnly bool     `json:"browser_only"` // not for proxies: never run, not counted
}

// A Kind says what a miss means.
type Kind string

const (
	Required Kind = "required" // also where a test gives none: HTTP demands it
	Optimal  Kind = "optimal"  // a cache gains by it
	Check    Kind = "check"    // a question without a right answer
)

// Results are what the client prints, by the id of the test.
type Results map[string]Result

// A Result is what happened in one test.
type Result struct {
	Passed  bool
	Kind    string // of the error: Assertion, Setup, AbortError, …
	Message string
}

// UnmarshalJSON reads true, or an error as [kind, message].
func (r *Result) UnmarshalJSON(text []byte) error {
	var failure []string
	if json.Unmarshal(text, &r.Passed) == nil && r.Passed {
		return nil
	}
	if err := json.Unmarshal(text, &failure); err != nil || len(failure) != 2 {
		return fmt.Errorf("a result is true or [kind, message], not %s", text)
	}
	r.Kind, r.Message = failure[0], failure[1]
	return nil
}

// A Verdict is one word about a test.
type Verdict string

const (
	Pass           Verdict = "pass"
	Fail           Verdict = "fail"
	OptionalFail   Verdict = "optional_fail"
	Yes            Verdict = "yes"
	No             Verdict = "no"
	Untested       Verdict = "untested"        // the client has no result
	DependencyFail Verdict = "dependency_fail" // a test this one builds on did not pass
	SetupFail      Verdict = "setup_fail"      // it did not get as far as its question
	Retry          Verdict = "retry"           // the origin saw a request twice
	HarnessFail    Verdict = "harness_fail"    // the client gave up waiting, or could not tell the origin what the test is
)

// A Report is the verdicts on a whole run by the kind and the id of the test,
// and how many there are of each.
type Report struct {
	Totals   map[Kind]map[Verdict]int    `json:"totals"`
	Verdicts map[Kind]map[string]Verdict `json:"verdicts"`
}

// Judge applies the rules.
func Judge(tests []Test, results Results) Report {
	j := judge{map[string]Test{}, results, map[string]Verdict{}}
	for _, t := range tests {
		if t.Kind == "" {
			t.Kind = Required
		}
		j.tests[t.ID] = t
	}
	verdicts := map[Kind]map[string]Verdict{Required: {}, Optimal: {}, Check: {}}
	for id, t := range j.tests {
		if !t.BrowserOnly {
			verdicts[t.Kind][id] = j.verdict(id)
		}
	}
	return Report{totals(verdicts), verdicts}
}

func totals(verdicts map[Kind]map[string]Verdict) map[Kind]map[Verdict]int {
	all := map[Kind]map[Verdict]int{}
	for kind := range verdicts {
		all[kind] = map[Verdict]int{}
		for _, v := range verdicts[kind] {
			all[kind][v]++
		}
	}
	return all
}

type judge struct {
	tests   map[string]Test
	results Results
	known   map[string]Verdict
}

func (j judge) verdict(id string) Verdict {
	if v, ok := j.known[id]; ok {
		return v
	}
	j.known[id] = DependencyFail // should a test ever depend on itself
	v := j.judge(j.tests[id])
	j.known[id] = v
	return v
}

// untold begins what the client says when the origin did not get a test. It is
// told by a PUT through the cache, on a connection that other tests use as well,
// with answers that end beside their length.
const untold = "PUT config resulted in "

func (j judge) judge(t Test) Verdict {
	r, ok := j.results[t.ID]
	if !ok {
		return Untested
	}
	for _, id := range t.DependsOn {
		if v := j.verdict(id); v != Pass && v != Yes {
			return DependencyFail
		}
	}
	switch {
	case r.Kind == "Setup" && r.Message == "retry":
		return Retry
	case r.Kind == "Setup" && strings.HasPrefix(r.Message, untold):
		return HarnessFail
	case r.Kind == "Setup":
		return SetupFail
	case r.Kind == "AbortError":
		return HarnessFail
	}
	answers := map[Kind]map[bool]Verdict{
		Required: {true: Pass, false: Fail},
		Optimal:  {true: Pass, false: OptionalFail},
		Check:    {true: Yes, false: No},
	}
	return answers[t.Kind][r.Passed]
}
