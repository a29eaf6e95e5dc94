//go:build unix

package redis

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddy-portico/portico/internal/redistest"
)

var echo = NewScript(`return {tonumber(ARGV[1])}`)

func open(t *testing.T, address string, o Options) *Conn {
	t.Helper()
	target, err := Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Open(target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func works(t *testing.T, c *Conn) {
	t.Helper()
	if !c.Ready(t.Context()) {
		t.Fatal("not up")
	}
	var err error
	for range 20 { // a busy machine may miss the time allowed
		var list []int64
		if list, err = c.Ints(t.Context(), echo, []string{"k"}, []string{"42"}); err == nil {
			if len(list) != 1 || list[0] != 42 {
				t.Errorf("%v, want 42", list)
			}
			return
		}
	}
	t.Error(err)
}

func TestUnixSocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "redis") // a socket's path is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	redistest.Start(t, "--unixsocket", socket)
	works(t, open(t, "unix://"+socket+"?db=1", Options{}))
}

func TestTLS(t *testing.T) {
	cert, key := certificate(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	ln.Close()
	redistest.Start(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key,
		"--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	works(t, open(t, "rediss://127.0.0.1:"+port+"?ca="+cert, Options{}))
	if open(t, "rediss://127.0.0.1:"+port, Options{}).Ready(t.Context()) {
		t.Error("a certificate of nobody is trusted")
	}
}

// certificate makes one for 127.0.0.1, signed by itself.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, kind string, der []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("cert.pem", "CERTIFICATE", der), write("key.pem", "PRIVATE KEY", keyDER)
}

// A server that answers but must not be written to is down: a replica, or one
// that is full.
func TestServerThatRefusesWrites(t *testing.T) {
	server := redistest.Start(t)
	states := make(chan bool, 100)
	c := open(t, "redis://"+server.Addr, Options{OnState: func(up bool, _ error) { states <- up }})
	works(t, c)
	<-states
	server.Command("CONFIG SET min-replicas-to-write 1")
	write := NewScript(`redis.call('SET', KEYS[1], 1) return {1}`)
	for c.Up() {
		if _, err := c.Ints(t.Context(), write, []string{"k"}, nil); err == nil {
			t.Fatal("a server without its replicas was written to")
		}
	}
	if <-states {
		t.Error("up, not down")
	}
	server.Command("CONFIG SET min-replicas-to-write 0")
	if !<-states {
		t.Error("down, not up again")
	}
	works(t, c)
}

// Nothing listens: opening neither blocks nor fails, operations fail at once, and
// it is told once.
func TestNobodyThere(t *testing.T) {
	told := make(chan error, 100)
	c := open(t, "redis://127.0.0.1:1", Options{OnState: func(up bool, cause error) { told <- cause }})
	if c.Ready(t.Context()) {
		t.Fatal("up")
	}
	if _, err := c.Ints(t.Context(), echo, []string{"k"}, []string{"1"}); !errors.Is(err, ErrDown) {
		t.Errorf("%v, want ErrDown", err)
	}
	if err := <-told; err == nil {
		t.Error("without a cause")
	}
	c.Close()
	if len(told) > 0 {
		t.Error("told more than once")
	}
}

// A client that goes away ends its operation, and is no failure.
func TestCanceled(t *testing.T) {
	server := redistest.Start(t)
	c := open(t, "redis://"+server.Addr, Options{})
	works(t, c)
	before := c.Errors()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 10 {
		if _, err := c.Ints(ctx, echo, []string{"k"}, []string{"1"}); !errors.Is(err, context.Canceled) {
			t.Errorf("%v, want canceled", err)
		}
	}
	if !c.Up() || c.Errors() != before {
		t.Errorf("up = %t, %d errors", c.Up(), c.Errors()-before)
	}
}

func TestSentinel(t *testing.T) {
	server := redistest.Start(t)
	sentinel := server.StartSentinel("mymaster")
	works(t, open(t, "redis+sentinel://"+sentinel.Addr+"/mymaster", Options{}))
	if open(t, "redis+sentinel://"+sentinel.Addr+"/other", Options{}).Ready(t.Context()) {
		t.Error("up with a master that the sentinel does not know")
	}
}
