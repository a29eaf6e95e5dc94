package conformance

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPublished holds docs/conformance.md to the goldens: the numbers of
// Portico in it are theirs, and of every required or optimal test that is
// missed it says why, in the section of its suite, and of no other.
func TestPublished(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "conformance.md"))
	if err != nil {
		t.Fatal(err)
	}
	for suite, heading := range map[string]string{"repository": "## The repository", "release": "## The release"} {
		_, section, found := strings.Cut(string(text), "\n"+heading)
		if !found {
			t.Errorf("docs/conformance.md has no section %q", heading)
		}
		section, _, _ = strings.Cut(section, "\n## ")
		missed := map[string]bool{}
		for _, v := range variants {
			golden := readGolden(t, suite, v.name)
			if row := published(v.title, golden); !strings.Contains(section, row) {
				t.Errorf("docs/conformance.md, %q, has no line\n%s", heading, row)
			}
			for _, kind := range []Kind{Required, Optimal} {
				for id, verdict := range golden.Verdicts[kind] {
					if verdict != Pass {
						missed[id] = true
					}
				}
			}
		}
		if diff := cmp.Diff(slices.Sorted(maps.Keys(missed)), explained(section)); diff != "" {
			t.Errorf("docs/conformance.md, %q: tests explained (-missed +explained):\n%s", heading, diff)
		}
	}
}

// readGolden reads a golden whose numbers are those of its verdicts.
func readGolden(t *testing.T, suite, variant string) Report {
	t.Helper()
	file := Golden(root, suite, variant)
	golden, err := ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(totals(golden.Verdicts), golden.Totals); diff != "" {
		t.Errorf("%s: totals (-of the verdicts +in the file):\n%s", file, diff)
	}
	return golden
}

// published is the row of the table for one variant.
func published(title string, r Report) string {
	of := func(k Kind) (n int) {
		for _, count := range r.Totals[k] {
			n += count
		}
		return n
	}
	return fmt.Sprintf("| **Portico**, %s | **%d** of %d | **%d** of %d |",
		title, r.Totals[Required][Pass], of(Required), r.Totals[Optimal][Pass], of(Optimal))
}

var code = regexp.MustCompile("`([^`]+)`")

// explained is the tests named in the first cells of tables.
func explained(section string) []string {
	var ids []string
	for _, line := range strings.Split(section, "\n") {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		for _, m := range code.FindAllStringSubmatch(strings.Split(line, "|")[1], -1) {
			ids = append(ids, m[1])
		}
	}
	slices.Sort(ids)
	return ids
}

func report(verdicts ...string) Report {
	r := Report{Verdicts: map[Kind]map[string]Verdict{Required: {}, Optimal: {}, Check: {}}}
	for i := 0; i < len(verdicts); i += 3 {
		r.Verdicts[Kind(verdicts[i])][verdicts[i+1]] = Verdict(verdicts[i+2])
	}
	r.Totals = totals(r.Verdicts)
	return r
}

func TestDifferences(t *testing.T) {
	golden := report("required", "a", "pass", "required", "b", "fail", "optimal", "c", "pass", "check", "d", "yes")
	rows := []struct {
		name      string
		got       Report
		want      []Difference
		falls     []string
		undecided bool
	}{
		{"the same", golden, nil, nil, false},
		{
			"a required test fails", report("required", "a", "fail", "required", "b", "fail", "optimal", "c", "pass", "check", "d", "yes"),
			[]Difference{{Required, "a", Pass, Fail}},
			[]string{"required: 0 tests pass, fewer than the 1 of before"},
			false,
		},
		{
			"better is a difference too", report("required", "a", "pass", "required", "b", "pass", "optimal", "c", "pass", "check", "d", "no"),
			[]Difference{{Required, "b", Fail, Pass}, {Check, "d", Yes, No}},
			nil,
			false,
		},
		{
			"one test is gone, one is new", report("required", "a", "pass", "required", "b", "fail", "optimal", "e", "pass", "check", "d", "yes"),
			[]Difference{{Optimal, "c", Pass, ""}, {Optimal, "e", "", Pass}},
			nil,
			false,
		},
		{
			"seen twice, and what builds on it", report("required", "a", "retry", "required", "b", "fail", "optimal", "c", "dependency_fail", "check", "d", "yes"),
			[]Difference{{Required, "a", Pass, Retry}, {Optimal, "c", Pass, DependencyFail}},
			[]string{"required: 0 tests pass, fewer than the 1 of before", "optimal: 0 tests pass, fewer than the 1 of before"},
			true,
		},
		{
			"a failure beside one seen twice is a failure", report("required", "a", "fail", "required", "b", "retry", "optimal", "c", "pass", "check", "d", "yes"),
			[]Difference{{Required, "a", Pass, Fail}, {Required, "b", Fail, Retry}},
			[]string{"required: 0 tests pass, fewer than the 1 of before"},
			false,
		},
		{
			"a setup that fails is no retry", report("required", "a", "setup_fail", "required", "b", "fail", "optimal", "c", "pass", "check", "d", "yes"),
			[]Difference{{Required, "a", Pass, SetupFail}},
			[]string{"required: 0 tests pass, fewer than the 1 of before"},
			false,
		},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			differences := row.got.Differences(golden)
			if diff := cmp.Diff(row.want, differences); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(row.falls, row.got.Falls(golden)); diff != "" {
				t.Errorf("falls (-want +got):\n%s", diff)
			}
			if got := Undecided(differences); got != row.undecided {
				t.Errorf("undecided = %t, want %t", got, row.undecided)
			}
		})
	}
}

func TestGoldenRoundTrip(t *testing.T) {
	want := report("required", "a", "pass", "optimal", "b", "optional_fail", "check", "c", "no")
	file := filepath.Join(t.TempDir(), "golden.json")
	if err := want.Write(file); err != nil {
		t.Fatal(err)
	}
	got, err := ReadReport(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written and read (-want +got):\n%s", diff)
	}
}
