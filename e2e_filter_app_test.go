package portico_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-portico/portico/internal/mmdbtest"
)

// filterSite is a site with request_filter, an admin endpoint, and a data
// directory of its own.
func filterSite(t *testing.T, c siteConfig) *site {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	c.admin = true
	if c.http == "" {
		c.http = "request_filter\nrespond ok"
	}
	return startSite(t, "", c)
}

// admin sends a request to the admin endpoint, again if a reload closed the
// listener that it came to.
func (s *site) admin(method, path, body string) (status int, answer string) {
	s.t.Helper()
	var e *exchange
	for range 10 {
		r, err := http.NewRequestWithContext(s.t.Context(), method, "http://"+s.vars["$ADMIN"]+path, strings.NewReader(body))
		if err != nil {
			s.t.Fatal(err)
		}
		r.Close = true
		e = send(s.client, r)
		s.wait(e, "the end", func() bool { return e.done })
		if e.err == nil {
			return e.status, string(e.body)
		}
	}
	s.t.Fatalf("%s %s: %v", method, path, e.err)
	return 0, ""
}

// expect asks the admin endpoint and wants a status.
func (s *site) expect(status int, method, path, body string) (answer string) {
	s.t.Helper()
	got, answer := s.admin(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, got, answer, status)
	}
	return answer
}

// status asks the site for a path.
func (s *site) status(path string) int {
	s.t.Helper()
	return s.get(path).status
}

const oneClient = "127.0.0.1"

func banOf(address string) string {
	return fmt.Sprintf(`{"address":%q,"for":"10m","reason":"by hand"}`, address)
}

func TestFilterBansByHand(t *testing.T) {
	s := filterSite(t, siteConfig{})
	if got := s.expect(200, "GET", "/request_filter/bans", ""); got != "[]\n" {
		t.Errorf("bans at first: %s", got)
	}
	for _, address := range []string{oneClient, "127.0.0.0/8", "0.0.0.0/0", "::ffff:127.0.0.1"} {
		s.expect(200, "POST", "/request_filter/bans", banOf(address))
		if got := s.status("/"); got != 403 {
			t.Errorf("%s banned: %d, want 403", address, got)
		}
		s.expect(200, "GET", "/request_filter/bans/"+oneClient, "")
		s.expect(204, "DELETE", "/request_filter/bans/"+address, "")
		if got := s.status("/"); got != 200 {
			t.Errorf("%s not banned any more: %d, want 200", address, got)
		}
		s.expect(404, "GET", "/request_filter/bans/"+oneClient, "")
	}
	s.expect(200, "POST", "/request_filter/bans", banOf("2001:db8:1:2::/64"))
	s.expect(204, "DELETE", "/request_filter/bans/2001:db8:1:2%3A%3A%2F64", "")

	// The /64 is the client: whoever wants to let an address in again need not
	// know that.
	s.expect(200, "POST", "/request_filter/bans", banOf("2001:db8:1:2::/64"))
	s.expect(204, "DELETE", "/request_filter/bans/2001:db8:1:2::5", "")

	s.expect(200, "POST", "/request_filter/bans", `{"address":"192.0.2.0/24","for":"1d"}`)
	var bans []struct {
		Address     string
		From, Until time.Time
		Reason      string
		Automatic   bool
	}
	if err := json.Unmarshal([]byte(s.expect(200, "GET", "/request_filter/bans", "")), &bans); err != nil {
		t.Fatal(err)
	}
	if len(bans) != 1 || bans[0].Address != "192.0.2.0/24" || bans[0].Until.Sub(bans[0].From) != 24*time.Hour || bans[0].Automatic {
		t.Errorf("bans: %+v", bans)
	}
	answer := s.expect(404, "DELETE", "/request_filter/bans/192.0.2.7", "")
	if !strings.Contains(answer, "192.0.2.0/24") {
		t.Errorf("the answer does not say which ban there is: %s", answer)
	}
}

// What is wrong is refused with the right status, says why in JSON, and changes
// nothing.
func TestFilterAdminRefuses(t *testing.T) {
	s := filterSite(t, siteConfig{})
	tests := []struct {
		method, path, body string
		status             int
		why                string
	}{
		{"POST", "bans", ``, 400, "decoding"},
		{"POST", "bans", `{"address":"192.0.2.1"}`, 400, "for"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"long"}`, 400, "for: 'long'"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"0s"}`, 400, "duration of a ban"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"-5m"}`, 400, "duration of a ban"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"100000d"}`, 400, ""},
		{"POST", "bans", `{"for":"1m"}`, 400, "address"},
		{"POST", "bans", `{"address":"192.0.2.1/24","for":"1m"}`, 400, "192.0.2.0/24"},
		{"POST", "bans", `{"address":"fe80::1%eth0","for":"1m"}`, 400, "address"},
		{"POST", "bans", `{"address":"host.test","for":"1m"}`, 400, "'host.test'"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"1m","until":1}`, 400, "until"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"1m"}{}`, 400, "more than one"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"1m","reason":"` + strings.Repeat("x", 2000) + `"}`, 400, "reason"},
		{"POST", "bans", `{"address":"192.0.2.1","for":"1m","reason":"` + strings.Repeat("x", 20_000) + `"}`, 400, "too large"},
		{"PUT", "bans", `{}`, 405, "method"},
		{"DELETE", "bans", ``, 405, "method"},
		{"POST", "bans/192.0.2.1", ``, 405, "method"},
		{"DELETE", "bans/", ``, 400, "not an address"},
		{"DELETE", "bans/host.test", ``, 400, "'host.test'"},
		{"DELETE", "bans/192.0.2.1/24", ``, 400, "192.0.2.0/24"},
		{"DELETE", "bans/192.0.2.1", ``, 404, "192.0.2.1 is not banned"},
		{"DELETE", "lists", ``, 405, "method"},
		{"POST", "top", ``, 405, "method"},
		{"GET", "top?limit=0", ``, 400, "limit"},
		{"GET", "top?limit=many", ``, 400, "limit"},
	}
	for _, tt := range tests {
		status, answer := s.admin(tt.method, "/request_filter/"+tt.path, tt.body)
		var problem struct{ Error string }
		if err := json.Unmarshal([]byte(answer), &problem); err != nil || status != tt.status || !strings.Contains(problem.Error, tt.why) {
			t.Errorf("%s %s %.80s: %d %s, want %d with %q (%v)", tt.method, tt.path, tt.body, status, answer, tt.status, tt.why, err)
		}
	}
	if got := s.expect(200, "GET", "/request_filter/bans", ""); got != "[]\n" {
		t.Errorf("bans afterwards: %s", got)
	}

	// Without the filter there is nothing to ask.
	s.load(siteConfig{admin: true, http: "respond ok"})
	s.expect(404, "POST", "/request_filter/bans", banOf(oneClient))
	s.expect(404, "GET", "/request_filter/lists", "")
}

// A reload changes nothing about who is banned, nearly banned, limited or known.
func TestFilterReloadKeeps(t *testing.T) {
	c := siteConfig{http: "request_filter {\nban {\nafter 3 in 10m\nfor 1h\n}\nrate few {\nlimit 3/10m\nmatch `path('/rate')`\n}\n}\nrespond ok"}
	s := filterSite(t, c)
	reload := func(i int) {
		c.global = fmt.Sprintf("request_filter {\ntarpits %d\n}", i)
		c.admin = true
		s.load(c)
	}
	for i, want := range []int{200, 200, 200, 429} {
		if got := s.status("/rate"); got != want {
			t.Fatalf("request %d: %d, want %d", i, got, want)
		}
		reload(1 + i)
	}
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.1"))
	for i, want := range []int{404, 404, 403} { // the 429 was the first strike
		if got := s.status("/.env"); got != want {
			t.Fatalf("probe %d: %d, want %d", i, got, want)
		}
		reload(10 + i)
	}
	s.expect(200, "GET", "/request_filter/bans/192.0.2.1", "")
	var top struct {
		Blocked int
		Reasons []struct {
			Reason string
			Count  int
		}
		Clients []struct {
			Address string
			Count   int
			Banned  bool
			Reasons map[string]int
		}
	}
	if err := json.Unmarshal([]byte(s.expect(200, "GET", "/request_filter/top?limit=5", "")), &top); err != nil {
		t.Fatal(err)
	}
	if top.Blocked != 4 || len(top.Reasons) != 3 || top.Reasons[0].Reason != "probe" || top.Reasons[0].Count != 2 {
		t.Errorf("top: %+v", top)
	}
	if len(top.Clients) != 1 || top.Clients[0].Address != oneClient || top.Clients[0].Count != 4 || !top.Clients[0].Banned ||
		top.Clients[0].Reasons["rate"] != 1 {
		t.Errorf("clients: %+v", top.Clients)
	}
}

// A restart keeps bans if they are to be saved, and only then.
func TestFilterRestart(t *testing.T) {
	saved := siteConfig{global: "request_filter {\nbans {\nsave $DIR/state/bans.json\n}\n}", http: "request_filter\nrespond ok", admin: true}
	s := filterSite(t, saved)
	file := filepath.Join(s.dir, "state", "bans.json")
	restart := func(c siteConfig) {
		t.Helper()
		if err := caddy.Stop(); err != nil {
			t.Fatal(err)
		}
		s.client.CloseIdleConnections()
		s.load(c)
	}
	s.expect(200, "POST", "/request_filter/bans", banOf(oneClient))
	restart(saved)
	if got := s.status("/"); got != 403 {
		t.Errorf("banned before the restart: %d, want 403", got)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v: who was banned is nobody else's business", info, err)
	}

	// Lifted stays lifted.
	s.expect(204, "DELETE", "/request_filter/bans/"+oneClient, "")
	restart(saved)
	if got := s.status("/"); got != 200 {
		t.Errorf("lifted before the restart: %d, want 200", got)
	}

	// A configuration that does not start saves and loses nothing.
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.1"))
	broken := saved
	broken.global = "request_filter {\nbans {\nsave off\nmax 1\n}\n}"
	broken.more = "http://127.0.0.1:1 {\nbind unix//nowhere/at/all.sock\n}\n"
	if err := s.tryLoad(broken); err == nil {
		t.Fatal("the broken configuration was loaded")
	}
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.2"))
	restart(saved)
	s.expect(200, "GET", "/request_filter/bans/192.0.2.1", "")
	s.expect(200, "GET", "/request_filter/bans/192.0.2.2", "")

	// What cannot be read is put aside, and a new one begun.
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(`{"version":99}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s.load(saved)
	if text, _ := os.ReadFile(file + ".unreadable"); string(text) != `{"version":99}` {
		t.Errorf("put aside: %s", text)
	}
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.3"))
	restart(saved)
	s.expect(200, "GET", "/request_filter/bans/192.0.2.3", "")

	// By default nothing is written.
	restart(siteConfig{http: "request_filter\nrespond ok", admin: true})
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.4"))
	restart(siteConfig{http: "request_filter\nrespond ok", admin: true})
	s.expect(404, "GET", "/request_filter/bans/192.0.2.4", "")
	if _, err := os.Stat(filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "request_filter", "bans.json")); err == nil {
		t.Error("bans were saved without being asked for")
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path+".new", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
}

// A list in a file acts at once, is looked at again with a reload, and a mistake
// in it refuses the configuration that is being loaded.
func TestFilterListFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deny.txt")
	write(t, path, "192.0.2.0/24 # somebody\n")
	c := siteConfig{
		global: "request_filter {\nip_list denied file " + path + "\nip_list mixed {\n198.51.100.1 2001:db8::/32\nfile " + path + "\n}\n}",
		http:   "request_filter {\ndeny @denied @mixed\n}\nrespond ok",
	}
	s := filterSite(t, c)
	if got := s.status("/"); got != 200 {
		t.Errorf("not in the list: %d, want 200", got)
	}
	write(t, path, "192.0.2.0/24\n127.0.0.1\n")
	c.admin = true
	s.load(c)
	if got := s.status("/"); got != 403 {
		t.Errorf("in the list: %d, want 403", got)
	}
	write(t, path, "192.0.2.0/24\n\nnonsense\n")
	err := s.tryLoad(c)
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "line 3") || !strings.Contains(err.Error(), "ip_list") {
		t.Errorf("a bad line: %v", err)
	}
	if got := s.status("/"); got != 403 {
		t.Errorf("with the last good list: %d, want 403", got)
	}
	var state struct {
		Lists []struct {
			Name, Source, Error string
			Ranges, Failures    int
		}
	}
	if err := json.Unmarshal([]byte(s.expect(200, "GET", "/request_filter/lists", "")), &state); err != nil {
		t.Fatal(err)
	}
	if len(state.Lists) != 3 || state.Lists[0].Name != "denied" || state.Lists[0].Ranges != 2 ||
		!strings.Contains(state.Lists[0].Error, "line 3") || state.Lists[1].Ranges != 2 || state.Lists[1].Source != "configuration" {
		t.Errorf("states: %+v", state)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := s.tryLoad(c); err == nil {
		t.Error("a file that is not there was accepted")
	}

	// While it runs, the file is followed without any reload.
	write(t, path, "192.0.2.0/24\n")
	eventually(t, "the file is read again", func() bool { return s.status("/") == 200 })
}

func TestFilterListUnknown(t *testing.T) {
	s := filterSite(t, siteConfig{})
	_, err := s.adapt(siteConfig{http: "request_filter {\ndeny @nowhere\n}"})
	if err == nil || !strings.Contains(err.Error(), "no ip_list named 'nowhere'") {
		t.Errorf("an unknown list: %v", err)
	}
}

// A feed is a server of lists whose answer may be replaced.
type feed struct {
	*httptest.Server
	asked  atomic.Int64
	answer atomic.Pointer[http.HandlerFunc]
}

func startFeed(t *testing.T, text string) *feed {
	f := new(feed)
	f.serve(text)
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.asked.Add(1)
		(*f.answer.Load())(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *feed) set(answer http.HandlerFunc) { f.answer.Store(&answer) }

func (f *feed) serve(text string) {
	f.set(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// A list from a URL outlives reloads without being fetched again, and restarts
// with a server that is broken in any way.
func TestFilterListURL(t *testing.T) {
	f := startFeed(t, "127.0.0.1\n")
	c := siteConfig{
		global: "request_filter {\nip_list drop " + f.URL + "/drop.txt?key=s3cret every 1m\n}",
		http:   "request_filter {\ndeny @drop\n}\nrespond ok\n", admin: true,
	}
	s := filterSite(t, c)
	eventually(t, "the list is fetched", func() bool { return s.status("/") == 403 })
	for i := range 3 {
		s.load(siteConfig{global: c.global, http: fmt.Sprintf("header X-Reload %d\n", i) + c.http, admin: true})
		if got := s.status("/"); got != 403 {
			t.Errorf("after reload %d: %d, want 403", i, got)
		}
	}
	if n := f.asked.Load(); n != 1 {
		t.Errorf("fetched %d times, want once", n)
	}
	if answer := s.expect(200, "GET", "/request_filter/lists", ""); strings.Contains(answer, "s3cret") || !strings.Contains(answer, "drop.txt") {
		t.Errorf("lists: %s", answer)
	}
	faults := map[string]http.HandlerFunc{
		"fails": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"breaks off": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "99")
			_, _ = io.WriteString(w, "192.0.2.1\n")
		},
		"has a bad line": func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "192.0.2.1\n<html>\n") },
		"is empty":       func(http.ResponseWriter, *http.Request) {},
	}
	for name, answer := range faults {
		t.Run(name, func(t *testing.T) {
			f.set(answer)
			if err := caddy.Stop(); err != nil {
				t.Fatal(err)
			}
			before := f.asked.Load()
			makeOld(t)
			s.client.CloseIdleConnections()
			s.load(c)
			eventually(t, "the server is asked", func() bool { return f.asked.Load() > before })
			eventually(t, "the failure is noted", func() bool {
				return strings.Contains(s.expect(200, "GET", "/request_filter/lists", ""), `"error":`)
			})
			if got := s.status("/"); got != 403 {
				t.Errorf("with the last good copy: %d, want 403", got)
			}
		})
	}
}

// makeOld makes the saved copies of lists look as if they were fetched long ago.
func makeOld(t *testing.T) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(os.Getenv("XDG_DATA_HOME"), "caddy", "request_filter", "lists", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no copies: %v", err)
	}
	old := time.Now().Add(-time.Hour)
	for _, file := range files {
		if err := os.Chtimes(file, old, old); err != nil {
			t.Fatal(err)
		}
	}
}

func database(code string) string {
	return string(mmdbtest.File(map[string]any{"127.0.0.0/8": map[string]any{"country": map[string]any{"iso_code": code}}}))
}

// A database that is broken is refused when it is loaded, and later leaves the
// last good one in force.
// Where a client is, as a condition of a rule and as what others know of the request.
func TestFilterPlaceAsCondition(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, database("FR"))
	s := filterSite(t, siteConfig{global: "request_filter {\ngeoip " + path + "\n}", http: "request_filter {\n" +
		"rule abroad {\nmatch `{http.request_filter.country} != \"DE\" && path('/admin')`\n}\n" +
		"rule there {\nmatch `{http.request_filter.country} == \"FR\" && {http.request_filter.asn} == \"\" && path('/there')`\naction block 404\n}\n}\n" +
		"respond {http.request_filter.country}"})
	for target, want := range map[string]int{"/": 200, "/admin": 403, "/there": 404} {
		if got := s.status(target); got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
	if e := s.get("/"); string(e.body) != "FR" {
		t.Errorf("the handlers after it know %q", e.body)
	}
}

func TestFilterDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "country.mmdb")
	write(t, path, database("DE"))
	c := siteConfig{global: "request_filter {\ngeoip " + path + "\n}", http: "request_filter {\ndeny country FR\n}\nrespond ok", admin: true}
	s := filterSite(t, c)
	if got := s.status("/"); got != 200 {
		t.Errorf("in another country: %d, want 200", got)
	}
	write(t, path, database("FR"))
	s.load(c)
	if got := s.status("/"); got != 403 {
		t.Errorf("in the denied country: %d, want 403", got)
	}
	for _, broken := range []string{"", "no database", database("DE")[:40]} {
		write(t, path, broken)
		if err := s.tryLoad(c); err == nil || !strings.Contains(err.Error(), "geoip") || !strings.Contains(err.Error(), path) {
			t.Errorf("%.10q: %v, want an error that names option and file", broken, err)
		}
		if got := s.status("/"); got != 403 {
			t.Errorf("with the last good database: %d, want 403", got)
		}
	}
	if answer := s.expect(200, "GET", "/request_filter/lists", ""); !strings.Contains(answer, `"type":"Portico-Test"`) || !strings.Contains(answer, `"error":`) {
		t.Errorf("databases: %s", answer)
	}
	if _, err := s.adapt(siteConfig{http: c.http}); err == nil || !strings.Contains(err.Error(), "database") {
		t.Errorf("a country without a database: %v", err)
	}
}

// A listener counts who connects.
type countingListener struct {
	net.Listener
	connected atomic.Int64
	done      sync.WaitGroup
}

func listenAndCount(t *testing.T) *countingListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &countingListener{Listener: l}
	c.done.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			c.connected.Add(1)
			conn.Close()
		}
	})
	t.Cleanup(func() { l.Close(); c.done.Wait() })
	return c
}

// `caddy validate` connects to nothing and writes nothing.
func TestFilterValidateIsQuiet(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	l := listenAndCount(t)
	at := l.Addr().String()
	s := &site{t: t, dir: t.TempDir(), vars: map[string]string{"$HTTP": freeAddr(t), "$ADMIN": freeAddr(t)}}
	s.vars["$DIR"] = s.dir
	c := siteConfig{
		global: "request_filter {\nredis redis://" + at + "\nip_list drop http://" + at + "/drop.txt every 1m\nbans {\nsave on\n}\n}",
		http:   "request_filter {\ndeny @drop\nbots deny unverified\nrate r {\nlimit 1/1m\n}\nban {\nafter 1 in 1m\nfor 1h\n}\n}",
	}
	config, err := s.adapt(c)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := validate(t, config); err != nil {
			t.Fatal(err)
		}
	}
	var written []string
	_ = filepath.WalkDir(os.Getenv("XDG_DATA_HOME"), func(path string, _ os.DirEntry, _ error) error {
		if strings.Contains(path, "request_filter") {
			written = append(written, path)
		}
		return nil
	})
	if n := l.connected.Load(); n != 0 || len(written) > 0 {
		t.Errorf("%d connections, files %v", n, written)
	}

	// That the listener would have seen it: the same configuration, running. (Not
	// with what asks the owners of crawlers.)
	t.Cleanup(func() { _ = caddy.Stop() })
	c.http = strings.Replace(c.http, "bots deny unverified\n", "", 1)
	if config, err = s.adapt(c); err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a running configuration connects", func() bool { return l.connected.Load() > 1 })
}

// What the sites share shows in the metrics of the configuration that runs.
func TestFilterAppMetrics(t *testing.T) {
	path := filepath.Join(t.TempDir(), "list.txt")
	write(t, path, "192.0.2.0/24\n192.0.3.0/24\n")
	s := filterSite(t, siteConfig{
		global: "metrics\nrequest_filter {\nip_list office {\nfile " + path + "\n198.51.100.1\n}\n}",
		http:   "metrics /metrics\nroute /limited {\nrequest_filter {\nallow @office\nrate few {\nlimit 5/1m\n}\n}\nrespond ok\n}",
	})
	s.status("/limited")
	s.expect(200, "POST", "/request_filter/bans", banOf("192.0.2.1"))
	values := s.scrape()
	for series, want := range map[string]float64{
		`caddy_request_filter_list_ranges{list="office"}`:             3,
		`caddy_request_filter_list_failures{list="office"}`:           0,
		`caddy_request_filter_bans`:                                   1,
		`caddy_request_filter_bans_evicted_total`:                     0,
		`caddy_request_filter_tarpits`:                                0,
		`caddy_request_filter_rate_keys{rate="few"}`:                  1,
		`caddy_request_filter_rate_evictions_total{rate="few"}`:       0,
		`caddy_request_filter_rate_local_decisions_total{rate="few"}`: 0,
	} {
		if got, there := values[series]; !there || got != want {
			t.Errorf("%s = %v (there: %t), want %v", series, got, there, want)
		}
	}
	if age, there := values[`caddy_request_filter_list_age_seconds{list="office"}`]; !there || age < 0 {
		t.Errorf("age of the list: %v", age)
	}
	var names []string
	for series := range values {
		if strings.HasPrefix(series, "caddy_request_filter_redis") {
			names = append(names, series)
		}
	}
	if slices.Sort(names); len(names) > 0 {
		t.Errorf("without Redis there is nothing to say of it: %v", names)
	}
}
