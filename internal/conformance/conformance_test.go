package conformance

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-portico/portico"
	"github.com/caddy-portico/portico/internal/loopback"
)

var update = flag.Bool("update", false, "write the goldens of the suite anew")

const root = "../.."

// A variant is a configuration the suite is run with.
type variant struct {
	name       string // of its golden
	title      string // in docs/conformance.md
	directives string
}

var variants = []variant{
	{"default", "safe defaults", "response_cache"},
	{"set-cookie-store", "`set_cookie store`", "response_cache {\n\tset_cookie store\n}"},
}

// patience bounds one run of the suite, of which the release takes a quarter of
// a minute and the repository a whole one: most of it pauses of the client.
const patience = 5 * time.Minute

// TestSuite runs the suite in the directory that HTTP_CACHE_TESTS names, with
// all variants at once, and holds its verdicts against their goldens.
func TestSuite(t *testing.T) {
	suite := openSuite(t)
	origin, err := suite.Serve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	urls := startCaddy(t, origin)
	t.Run("variants", func(t *testing.T) { // ends when all of them have
		for i, v := range variants {
			t.Run(v.name, func(t *testing.T) {
				t.Parallel()
				hold(t, suite, urls[i], Golden(root, suite.Name, v.name))
			})
		}
	})
}

func openSuite(t *testing.T) *Suite {
	t.Helper()
	dir := os.Getenv("HTTP_CACHE_TESTS")
	if dir == "" {
		const missing = "HTTP_CACHE_TESTS names no directory with the suite: see docs/conformance.md"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	suite, err := Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	return suite
}

// startCaddy serves one site for each variant in front of origin, and returns
// their URLs. A handler that panics fails the test.
func startCaddy(t *testing.T, origin string) (urls []string) {
	t.Helper()
	log := filepath.Join(t.TempDir(), "caddy.log")
	text := "{\nadmin off\npersist_config off\nauto_https off\ngrace_period 2s\n" +
		"storage file_system " + filepath.Dir(log) + "\nlog default {\noutput file " + log + "\nlevel ERROR\n}\n}\n"
	for _, v := range variants {
		addr := freeAddr(t)
		urls = append(urls, "http://"+addr)
		text += "http://" + addr + " {\nbind 127.0.0.1\n" + v.directives + "\nreverse_proxy " + origin + "\n}\n"
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := caddy.Stop(); err != nil {
			t.Errorf("stopping Caddy: %v", err)
		}
		logged, err := os.ReadFile(log)
		if err != nil || strings.Contains(string(logged), "panic") {
			t.Errorf("a handler panicked, or nobody knows (%v):\n%s", err, logged)
		}
	})
	return urls
}

func freeAddr(t *testing.T) string {
	t.Helper()
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// hold runs the suite against url and compares its verdicts with the golden
// file. With -update it writes them there, and lets no number fall in silence.
func hold(t *testing.T, suite *Suite, url, file string) {
	golden, err := ReadReport(file)
	if err != nil && !*update {
		t.Fatal(err)
	}
	report, results := run(t, suite, url)
	differences := report.Differences(golden)
	if Undecided(differences) {
		t.Logf("the harness could not judge %v: a second run", differences)
		report, results = run(t, suite, url)
		differences = report.Differences(golden)
	}
	t.Logf("%s: %v", file, report.Totals)
	for _, fall := range report.Falls(golden) {
		t.Error(fall)
	}
	if *update {
		if err := report.Write(file); err != nil {
			t.Fatal(err)
		}
		return
	}
	for _, d := range differences {
		t.Errorf("%s %s: %q, in the golden %q: %+v", d.Kind, d.ID, d.Got, d.Want, results[d.ID])
	}
}

func run(t *testing.T, suite *Suite, url string) (Report, Results) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	results, err := suite.Run(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	return Judge(suite.Tests, results), results
}
