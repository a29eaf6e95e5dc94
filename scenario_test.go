package portico_test

// The scenario runner. A scenario is a text file in testdata/scenario: the
// site's Caddyfile, the origin's script and the client's script with what it
// expects; testdata/scenario/README.md describes the form. Everything is real
// but in one process: Caddy with the adapted Caddyfile, sockets, an origin.
//
// An origin answers exactly as many requests as its script has answers. One
// request more or less fails the scenario, so that every hit, every collapsed
// and every background request is proved by the origin's own count.
//
// Before a request that nothing else is under way with, the cache is asked to
// explain it, and what it foretells has to come true: so every scenario is a test
// of explain as well, and of that it changes nothing.

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/scenario/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios found: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			runScenario(t, file)
		})
	}
}

func runScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	sections, err := parseScenario(string(text))
	if err != nil {
		t.Fatalf("%s:%v", file, err)
	}
	origin := startScriptedOrigin(t, file)
	c := siteConfig{admin: true}
	var steps []*node
	for _, s := range sections {
		word, rest, _ := strings.Cut(s.text, " ")
		switch {
		case s.text == "global":
			c.global = s.caddyfile()
		case s.text == "site":
			c.http = s.caddyfile()
		case s.text == "site https":
			c.https = s.caddyfile()
		case word == "origin" && rest != "":
			origin.script(rest, s.body)
		case s.text == "client":
			steps = s.body
		default:
			t.Fatalf("%s:%d: unknown section %q", file, s.line, s.text)
		}
	}
	site := startSite(t, origin.addr, c)
	client := &scriptedClient{t: t, file: file, site: site, origin: origin, named: map[string][]*exchange{}}
	defer client.leave()
	for _, step := range steps {
		client.run(step)
	}
	origin.finished()
}

// node is a line of a scenario with the lines indented below it.
type node struct {
	line int
	text string
	body []*node
}

// parseScenario reads the tree that tabs make of the lines of text. Empty
// lines and lines that begin with # are left out.
func parseScenario(text string) ([]*node, error) {
	open := []*node{{}} // open[d] takes lines at depth d
	for i, line := range strings.Split(expandTimes(text, time.Now()), "\n") {
		content := strings.TrimLeft(line, "\t")
		depth := len(line) - len(content)
		if content == "" || content[0] == '#' {
			continue
		}
		if depth >= len(open) {
			return nil, fmt.Errorf("%d: indented too far", i+1)
		}
		n := &node{line: i + 1, text: content}
		open = append(open[:depth+1], n)
		open[depth].body = append(open[depth].body, n)
	}
	return open[0].body, nil
}

// caddyfile is the text below n.
func (n *node) caddyfile() string {
	var b strings.Builder
	for _, child := range n.body {
		b.WriteString(child.text + "\n" + child.caddyfile())
	}
	return b.String()
}

var timeWord = regexp.MustCompile(`\$now([+-]\w+)?`)

// expandTimes replaces $now, $now-90s and the like by the IMF-fixdate of that
// time (RFC 9110 §5.6.7).
func expandTimes(text string, now time.Time) string {
	return timeWord.ReplaceAllStringFunc(text, func(word string) string {
		offset, _ := time.ParseDuration(strings.TrimPrefix(word, "$now"))
		return now.Add(offset).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	})
}

// pattern is n bytes from an offset of "000000 000001 000002 …": every place is
// recognisable. It begins anew after a million numbers.
func pattern(from, n int) []byte {
	all := numbers()
	b := make([]byte, 0, n)
	for at := from; len(b) < n; at = from + len(b) {
		rest := all[at%len(all):]
		b = append(b, rest[:min(len(rest), n-len(b))]...)
	}
	return b
}

var numbers = sync.OnceValue(func() []byte {
	var b []byte
	for i := range 1_000_000 {
		b = fmt.Appendf(b, "%06d ", i)
	}
	return b
})

// facts are what is known of a message: header fields by canonical name, and
// under lower-case names what is not a field (body, method, uri).
type facts map[string]string

// expectation splits "Name: value", "Name ~ regexp", "Name !~ regexp" and
// "no Name". A body is short for "body: …" when it is "| text" or
// "pattern from+n".
var expectation = regexp.MustCompile(`^(?s)(no) (\S+)$|^((?:trailer )?[\w-]+)(:| ~| !~) ?(.*)$`)

// check compares one fact with a line of a script.
func (f facts) check(line string) error {
	if text, ok := strings.CutPrefix(line, "| "); ok {
		line = "body: " + text
	}
	if spec, ok := strings.CutPrefix(line, "pattern "); ok {
		from, n, _ := strings.Cut(spec, "+")
		line = "body: " + string(pattern(number(from), number(n)))
	}
	m := expectation.FindStringSubmatch(line)
	if m == nil {
		return fmt.Errorf("cannot read the expectation %q", line)
	}
	name, how, want := m[2]+m[3], m[1]+m[4], m[5]
	if name[0] < 'a' {
		name = http.CanonicalHeaderKey(name)
	}
	got, present := f[name]
	switch how {
	case "no":
		if present {
			return fmt.Errorf("%s is there: %q", name, shorten(got))
		}
	case ":":
		if !present || got != want {
			return fmt.Errorf("%s is %q (there: %t), want %q", name, shorten(got), present, shorten(want))
		}
	default:
		re, err := regexp.Compile(want)
		if err != nil {
			return err
		}
		if !present || re.MatchString(got) != (how == " ~") {
			return fmt.Errorf("%s is %q (there: %t), want it %s %q", name, shorten(got), present, how, want)
		}
	}
	return nil
}

func number(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(fmt.Sprintf("scenario: %q is not a number", s))
	}
	return n
}

func shorten(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%s… (%d bytes)", s[:200], len(s))
	}
	return s
}
