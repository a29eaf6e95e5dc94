package portico_test

// The Caddyfile goldens: what every option becomes in JSON, and what every
// mistake is told. A file in testdata/adapt is a Caddyfile, a line of ten
// dashes, and the JSON or the whole error; mistakes.txt has the errors of single
// options. `go test -run 'TestAdapt|TestMistakes' -update .` writes the results
// anew: the diff is what there is to review.
//
// An error is at the line that ends in "# here". What adapts must also pass
// `caddy validate`; where it does not, the second half is that error, after
// "validate: ".

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens of the tests anew")

const adaptSeparator = "\n----------\n"

func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	if err != nil || len(files) == 0 {
		t.Fatalf("no goldens found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			caddyfile, want, _ := strings.Cut(string(text), adaptSeparator)
			got := adaptOutcome(t, caddyfile+"\n")
			if *update {
				if err := os.WriteFile(file, []byte(caddyfile+adaptSeparator+got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(strings.TrimSpace(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
			if before, _, isError := strings.Cut(caddyfile, "# here"); isError {
				place := fmt.Sprintf(", at Caddyfile:%d", 1+strings.Count(before, "\n"))
				if !strings.HasSuffix(got, place) {
					t.Errorf("%s: the mistake is%s: %s", file, place, shorten(got))
				}
			}
		})
	}
}

// adaptOutcome is the indented JSON of a Caddyfile, or the error.
func adaptOutcome(t *testing.T, caddyfile string) string {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		return err.Error()
	}
	if err := validate(t, config); err != nil {
		return "validate: " + err.Error()
	}
	var pretty bytes.Buffer
	if err := json.Indent(&pretty, config, "", "\t"); err != nil {
		t.Fatal(err)
	}
	return pretty.String()
}

// validate does what `caddy validate` does.
func validate(t *testing.T, config []byte) error {
	t.Helper()
	parsed := new(caddy.Config)
	if err := caddy.StrictUnmarshalJSON(config, parsed); err != nil {
		t.Fatal(err)
	}
	return caddy.Validate(parsed)
}

// A mistake is some lines of a response_cache block and the error they give.
type mistake struct {
	block   []string
	message string
}

// mistakesTemplate surrounds the block of a mistake.
const mistakesTemplate = ":8080 {\n\t@member header Cookie *\n\t@other path /other\n\tresponse_cache {\n%s\n\t}\n\trespond ok\n}\n"

// TestMistakes holds every message about a wrong option, and that it names
// file, line and option. The line is the last of the block, unless another
// one ends in "# here".
func TestMistakes(t *testing.T) {
	holdMistakes(t, mistakesOf{
		file: "testdata/adapt/mistakes.txt", template: mistakesTemplate, directive: "response_cache", place: mistake.place,
	})
}

// mistakesOf are the mistakes of a file.
type mistakesOf struct {
	file      string
	template  string // what surrounds a block
	directive string
	modules   []string // provisioning them shows the rest, without a line
	place     func(mistake) (line int, option string)
}

// holdMistakes holds the message about each mistake, and that it names the line
// and the option; one that only shows when a configuration is loaded begins with
// "validate:", and names the option.
func holdMistakes(t *testing.T, of mistakesOf) {
	t.Helper()
	comment, mistakes := readMistakes(t, of.file)
	var b strings.Builder
	b.WriteString(comment)
	for _, m := range mistakes {
		block := strings.Join(m.block, "\n")
		got := of.outcome(t, block)
		fmt.Fprintf(&b, "\n%s\n! %s\n", block, got)
		if *update {
			continue
		}
		if got != m.message {
			t.Errorf("%s\ngot:  %s\nwant: %s", block, got, m.message)
		}
		line, option := of.place(m)
		if !strings.Contains(got, option) ||
			!strings.HasPrefix(got, "validate:") && !strings.HasSuffix(got, fmt.Sprintf(", at Caddyfile:%d", line)) {
			t.Errorf("%s\nthe error names no %q at Caddyfile:%d: %s", block, option, line, got)
		}
	}
	if *update {
		if err := os.WriteFile(of.file, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// outcome is what is said of a block.
func (of mistakesOf) outcome(t *testing.T, block string) string {
	t.Helper()
	got := adaptOutcome(t, fmt.Sprintf(of.template, block))
	if strings.HasPrefix(got, "{") {
		return "no error"
	}
	got = strings.TrimPrefix(got, "parsing caddyfile tokens for '"+of.directive+"': ")
	for _, module := range of.modules {
		if i := strings.Index(got, "provision "+module); i >= 0 {
			got = "validate: " + got[i:]
		}
	}
	return got
}

// lineIn is the line in the Caddyfile of a line of the block, from 0.
func lineIn(template string, at int) int {
	return at + 1 + strings.Count(strings.Split(template, "%s")[0], "\n")
}

// here is the line of the block that ends in "# here", or else the one given.
func (m mistake) here(otherwise int) int {
	for i, l := range m.block {
		if strings.HasSuffix(l, "# here") {
			otherwise = i
		}
	}
	return otherwise
}

// place is where the mistake is: the line in the Caddyfile and the option. A
// block that is not wanted is one where it begins to have content.
func (m mistake) place() (line int, option string) {
	at := m.here(len(m.block) - 1)
	words := strings.Fields(m.block[at])
	if strings.HasSuffix(m.block[at], "{ # here") && words[0] != "key" {
		at++
	}
	if strings.HasPrefix(words[0], "@") {
		words = words[1:] // the option of a matcher
	}
	return lineIn(mistakesTemplate, at), words[0]
}

func readMistakes(t *testing.T, file string) (comment string, mistakes []mistake) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	comment, rest, _ := strings.Cut(string(text), "\n\n")
	for paragraph := range strings.SplitSeq(strings.TrimSpace(rest), "\n\n") {
		block, message, ok := strings.Cut(paragraph, "\n!")
		if !ok {
			t.Fatalf("%s: no message in %q", file, paragraph)
		}
		mistakes = append(mistakes, mistake{strings.Split(block, "\n"), strings.TrimSpace(message)})
	}
	return comment + "\n", mistakes
}
