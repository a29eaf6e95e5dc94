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
	cmd := &cobra.Command{Use: "command", SilenceErrors: true, SilenceUsage: true}
	setUp(cmd)
	var out strings.Builder
	cmd.SetOut(&out)
	cmd.SetArgs(append(args, "--address", server.Listener.Addr().String()))
	err := cmd.Execute()
	return out.String(), err
}
