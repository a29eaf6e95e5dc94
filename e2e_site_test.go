package portico_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
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

// patience bounds every wait of the tests of this package. It is no time
// anything is expected to take: a test that reaches it has failed.
const patience = 15 * time.Second

// defaultSite is what most tests put in front of their origin.
const defaultSite = "response_cache\nreverse_proxy $ORIGIN"

// site is Caddy with Portico in this process, serving one Caddyfile on
// loopback sockets. There is one Caddy per process, so tests that start one
// do not run in parallel. Its store dies with it.
type site struct {
	t      testing.TB
	dir    string            // log, certificate
	vars   map[string]string // $NAME in Caddyfiles
	client *http.Client
	panics bool // the test makes handlers panic
	loads  int
}

// siteConfig is what a test writes of a Caddyfile. $ORIGIN is the origin's
// address, $DOWN one where nothing listens, $HTTP and $HTTPS are the site's
// own, $PORT is the port of $HTTP, $DIR is a directory of the test's.
type siteConfig struct {
	global string // lines of the global options
	http   string // the body of the site; empty: defaultSite
	https  string // the body of a second site, with TLS; empty: none
	more   string // whole sites
	admin  bool   // the admin endpoint listens on $ADMIN
}

// startSite runs c in front of origin until the test ends.
func startSite(t testing.TB, origin string, c siteConfig) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), client: newClient(t)}
	s.vars = map[string]string{
		"$ORIGIN": origin,
		"$DOWN":   freeAddr(t),
		"$HTTPS":  freeAddr(t),
		"$ADMIN":  freeAddr(t),
		"$HTTP":   freeAddr(t),
		"$DIR":    s.dir,
	}
	s.vars["$PORT"] = port(s.vars["$HTTP"])
	t.Cleanup(s.stop)
	s.load(c)
	return s
}

// stop ends Caddy and looks at its log: a panic in a handler may be invisible
// to the client that caused it, but it always fails the test.
func (s *site) stop() {
	s.client.CloseIdleConnections()
	if err := caddy.Stop(); err != nil {
		s.t.Errorf("stopping Caddy: %v", err)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "caddy.log"))
	if err != nil {
		s.t.Errorf("reading Caddy's log: %v", err)
	}
	// Not that of the test's name, which the directory has.
	panicked := strings.Contains(strings.ReplaceAll(string(log), s.dir, ""), "panic") && !s.panics
	if panicked {
		s.t.Error("a handler panicked")
	}
	if panicked || s.t.Failed() {
		s.t.Logf("Caddy's log:\n%s", log[max(0, len(log)-8<<10):])
	}
}

// load replaces the running config, as `caddy reload` does.
func (s *site) load(c siteConfig) {
	s.t.Helper()
	if err := s.tryLoad(c); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) tryLoad(c siteConfig) error {
	s.t.Helper()
	s.loads++
	config, err := s.adapt(c)
	if err != nil {
		s.t.Fatalf("adapting the Caddyfile: %v", err)
	}
	if err := caddy.Load(config, true); err != nil {
		return err
	}
	s.settle()
	return nil
}

// adapt makes the JSON of a whole configuration.
func (s *site) adapt(c siteConfig) ([]byte, error) {
	if c.http == "" {
		c.http = defaultSite
	}
	var b strings.Builder
	admin := "off"
	if c.admin {
		admin = "$ADMIN"
	}
	b.WriteString("{\nadmin " + admin + "\npersist_config off\nauto_https off\ngrace_period 2s\nstorage file_system $DIR\n")
	b.WriteString("log default {\noutput file $DIR/caddy.log\nlevel INFO\n}\n" + c.global + "\n}\n")
	b.WriteString("http://:" + port(s.vars["$HTTP"]) + " {\nbind 127.0.0.1\n" + c.http + "\n}\n")
	if c.https != "" {
		writeCertificate(s.t, s.dir)
		b.WriteString("https://:" + port(s.vars["$HTTPS"]) + " {\nbind 127.0.0.1\n")
		b.WriteString("tls $DIR/cert.pem $DIR/key.pem\n" + c.https + "\n}\n")
	}
	b.WriteString(c.more)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(s.expand(b.String())), nil)
	return config, err
}

// expand replaces the $NAMES. $HTTPS goes before $HTTP, its prefix.
func (s *site) expand(text string) string {
	for _, name := range []string{"$ORIGIN", "$DOWN", "$HTTPS", "$HTTP", "$DIR", "$ADMIN", "$PORT"} {
		text = strings.ReplaceAll(text, name, s.vars[name])
	}
	return text
}

// url is the address of path on the site.
func (s *site) url(path string) string { return "http://" + s.vars["$HTTP"] + path }

// newClient returns a client that shows answers as they are: nothing
// decompressed, no redirect followed, no certificate doubted.
func newClient(t testing.TB) *http.Client {
	transport := &http.Transport{
		DisableCompression:  true,
		MaxIdleConnsPerHost: 64,
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the test's own certificate
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// freeAddr is a loopback address nobody listens on.
func freeAddr(t testing.TB) string {
	t.Helper()
	addr, err := loopback.FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

func port(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func writeCertificate(t testing.TB, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"site.test"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	keyBytes, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", cert)
	writePEM(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", keyBytes)
}

func writePEM(t testing.TB, file, kind string, bytes []byte) {
	t.Helper()
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes})
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
