package conformance

import (
	"encoding/json"
	"maps"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestJudge has a row for every rule, on a suite as the client knows it.
func TestJudge(t *testing.T) {
	const tests = `[
		{"id": "base"}, {"id": "better", "kind": "optimal"}, {"id": "question", "kind": "check"},
		{"id": "on-base", "depends_on": ["base"]},
		{"id": "on-question", "kind": "optimal", "depends_on": ["base", "question"]},
		{"id": "on-better", "kind": "check", "depends_on": ["better"]},
		{"id": "twice-removed", "depends_on": ["on-base"]},
		{"id": "browser", "browser_only": true}
	]`
	all := func(results ...string) map[string]string {
		m := map[string]string{
			"base": "true", "better": "true", "question": "true",
			"on-base": "true", "on-question": "true", "on-better": "true", "twice-removed": "true",
		}
		for i := 0; i < len(results); i += 2 {
			m[results[i]] = results[i+1]
		}
		return m
	}
	rows := []struct {
		name    string
		results map[string]string
		want    map[string]Verdict // beside those that pass
	}{
		{"everything passes", all(), nil},
		{"a required test fails, and what builds on it", all("base", `["Assertion", "no"]`), map[string]Verdict{
			"base": Fail, "on-base": DependencyFail, "on-question": DependencyFail, "twice-removed": DependencyFail,
		}},
		{"an optimal test", all("better", `["Assertion", "no"]`), map[string]Verdict{
			"better": OptionalFail, "on-better": DependencyFail,
		}},
		{"a check answered no is no base to build on", all("question", `["Assertion", "no"]`), map[string]Verdict{
			"question": No, "on-question": DependencyFail,
		}},
		{"a setup that fails", all("twice-removed", `["Setup", "status is 502"]`), map[string]Verdict{"twice-removed": SetupFail}},
		{"a test that the origin was not told", all("twice-removed", `["Setup", "PUT config resulted in 502 Bad Gateway"]`), map[string]Verdict{
			"twice-removed": HarnessFail,
		}},
		{"a request seen twice", all("twice-removed", `["Setup", "retry"]`), map[string]Verdict{"twice-removed": Retry}},
		{"retry is a word of the setup's only", all("twice-removed", `["Assertion", "retry"]`), map[string]Verdict{"twice-removed": Fail}},
		{"the client gave up", all("better", `["AbortError", "aborted"]`), map[string]Verdict{
			"better": HarnessFail, "on-better": DependencyFail,
		}},
		{"any other error is the cache's", all("base", `["FetchError", "socket hang up"]`, "on-better", `["TypeError", "x"]`), map[string]Verdict{
			"base": Fail, "on-base": DependencyFail, "on-question": DependencyFail, "twice-removed": DependencyFail, "on-better": No,
		}},
		{"a dependency counts before the test's own failure", all("base", `["Assertion", "no"]`, "on-base", `["Setup", "retry"]`), map[string]Verdict{
			"base": Fail, "on-base": DependencyFail, "on-question": DependencyFail, "twice-removed": DependencyFail,
		}},
	}
	var suite []Test
	if err := json.Unmarshal([]byte(tests), &suite); err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			want := map[string]Verdict{
				"base": Pass, "better": Pass, "question": Yes,
				"on-base": Pass, "on-question": Pass, "on-better": Yes, "twice-removed": Pass,
			}
			maps.Copy(want, row.want)
			report := Judge(suite, decoded(t, row.results))
			if diff := cmp.Diff(want, flat(report)); diff != "" {
				t.Errorf("verdicts (-want +got):\n%s", diff)
			}
		})
	}
}

// A test the client has no result for is one that was not run, for what builds
// on it as well.
func TestJudgeUntested(t *testing.T) {
	suite := []Test{{ID: "a"}, {ID: "b", DependsOn: []string{"a"}}, {ID: "c", DependsOn: []string{"unheard-of"}}}
	report := Judge(suite, Results{"b": {Passed: true}, "c": {Passed: true}})
	want := map[string]Verdict{"a": Untested, "b": DependencyFail, "c": DependencyFail}
	if diff := cmp.Diff(want, flat(report)); diff != "" {
		t.Errorf("verdicts (-want +got):\n%s", diff)
	}
}

func TestTotals(t *testing.T) {
	suite := []Test{
		{ID: "a"},
		{ID: "b", Kind: Required},
		{ID: "c", Kind: Optimal},
		{ID: "d", Kind: Check},
		{ID: "e", BrowserOnly: true},
	}
	yes := Result{Passed: true}
	report := Judge(suite, Results{"a": yes, "b": yes, "c": {Kind: "Assertion"}, "d": yes})
	want := map[Kind]map[Verdict]int{Required: {Pass: 2}, Optimal: {OptionalFail: 1}, Check: {Yes: 1}}
	if diff := cmp.Diff(want, report.Totals); diff != "" {
		t.Errorf("totals (-want +got):\n%s", diff)
	}
}

func TestResultsRefused(t *testing.T) {
	for _, text := range []string{`false`, `null`, `[]`, `["Setup"]`, `"pass"`, `{}`} {
		var r Result
		if err := r.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s was read as the result %+v", text, r)
		}
	}
}

func decoded(t *testing.T, texts map[string]string) Results {
	t.Helper()
	results := Results{}
	for id, text := range texts {
		var r Result
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		results[id] = r
	}
	return results
}

func flat(r Report) map[string]Verdict {
	all := map[string]Verdict{}
	for _, verdicts := range r.Verdicts {
		maps.Copy(all, verdicts)
	}
	return all
}
