// Package admintest runs commands against an admin endpoint that a test plays.
package admintest

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// Run runs the command that setUp makes, with args, and returns what it prints.
func Run(t *testing.T, setUp func(*cobra.Command), endpoint http.HandlerFunc, args ...string) (string, error) {
	t.Helper()
	server := httptest.NewServer(endpoint)
	defer server.Close()
	caddy, cmd := &cobra.Command{Use: "caddy", SilenceErrors: true, SilenceUsage: true}, &cobra.Command{Use: "command"}
	setUp(cmd)
	caddy.AddCommand(cmd)
	var out strings.Builder
	caddy.SetOut(&out)
	caddy.SetArgs(append(append([]string{"command"}, args...), "--address", server.Listener.Addr().String()))
	err := caddy.Execute()
	return out.String(), err
}
