package examples_test

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

// TestLoadBalancing does what the comment of the example tells its reader to try.
func TestLoadBalancing(t *testing.T) {
	for _, name := range []string{"FAST_PORT", "SLOW_PORT", "BROKEN_PORT"} {
		_, port, _ := net.SplitHostPort(freeAddr(t))
		t.Setenv(name, port)
	}
	s := startSite(t, "loadbalancing")
	t.Run("fast answers nearly always", s.fastAnswers)
	t.Run("sessions stay", s.sessionsStay)
	t.Run("a tenant stays", s.tenantStays)
	t.Run("the command", s.upstreamsCommand)
}

func (s *site) fastAnswers(t *testing.T) {
	got := map[string]int{}
	for range 200 {
		got[strings.TrimSpace(string(s.get("/").Body))]++
	}
	if got["fast"] < 190 || got["fast"]+got["slow"]+got["broken"] != 200 {
		t.Errorf("answers %v, want nearly all from fast", got)
	}
}

func (s *site) sessionsStay(t *testing.T) {
	first := s.get("/cart")
	cookie, _, _ := strings.Cut(first.Header.Get("Set-Cookie"), ";")
	if !strings.HasPrefix(cookie, "lb=") {
		t.Fatalf("Set-Cookie: %q", first.Header.Get("Set-Cookie"))
	}
	for range 10 {
		s.get("/cart", "Cookie: "+cookie).want(t, 200, string(first.Body))
	}
}

func (s *site) tenantStays(t *testing.T) {
	first := s.get("/tenant", "X-Tenant: acme")
	for range 10 {
		s.get("/tenant", "X-Tenant: acme").want(t, 200, string(first.Body))
	}
}

// upstreamsCommand runs the commands as a shell would, but in this process.
func (s *site) upstreamsCommand(t *testing.T) {
	fast := "127.0.0.1:" + os.Getenv("FAST_PORT")
	state := func() (found struct {
		Address string
		Weight  int
		Drain   bool
	},
	) {
		var all []json.RawMessage
		if err := json.Unmarshal([]byte(s.command(t, "list", "--json")), &all); err != nil || len(all) != 3 {
			t.Fatalf("%d upstreams, want 3 (%v)", len(all), err)
		}
		for _, one := range all {
			if err := json.Unmarshal(one, &found); err == nil && found.Address == fast {
				break
			}
		}
		return found
	}
	if table := s.command(t, "list"); !strings.Contains(table, fast) || !strings.HasPrefix(table, "UPSTREAM") {
		t.Errorf("the list is\n%s", table)
	}
	s.command(t, "weight", fast, "7")
	s.command(t, "drain", fast)
	if got := state(); got.Weight != 7 || !got.Drain {
		t.Errorf("after weight and drain: %+v", got)
	}
	s.command(t, "weight", fast, "default")
	s.command(t, "drain", fast, "--off")
	if got := state(); got.Weight != 1 || got.Drain {
		t.Errorf("after default and --off: %+v", got)
	}
}

// command is what `caddy upstreams …` prints.
func (s *site) command(t *testing.T, args ...string) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = stdout }()
	root := &cobra.Command{Use: "upstreams", SilenceUsage: true}
	caddycmd.Commands()["upstreams"].CobraFunc(root)
	root.SetArgs(append(args, "--address", strings.TrimPrefix(s.admin, "http://")))
	failed := root.Execute()
	w.Close()
	out, err := io.ReadAll(r)
	if failed != nil || err != nil {
		t.Fatalf("caddy upstreams %s: %v %v", strings.Join(args, " "), failed, err)
	}
	return string(out)
}
