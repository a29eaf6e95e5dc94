package lbpolicy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"text/tabwriter"
	"time"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "upstreams",
		Short: "Shows and steers the upstreams of load-balancing policies",
		Long: `
Shows what the load-balancing policies of a running Caddy know of their
upstreams, and changes the weight or drains one, through the admin API. A change
counts at once and stays through reloads, until the upstream is in no
configuration any more or Caddy is stopped.

An address is written as in the configuration, such as 10.0.0.5:8080.
`,
		CobraFunc: commands,
	})
}

func commands(cmd *cobra.Command) {
	list := &cobra.Command{
		Use:   "list [--json] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Lists the upstreams with latency, requests in flight, success rate, weight, drain and ejection",
		Args:  cobra.NoArgs,
		RunE:  caddycmd.WrapCommandFuncForCobra(listUpstreams),
	}
	list.Flags().Bool("json", false, "Print JSON instead of a table")
	weight := &cobra.Command{
		Use:   "weight <upstream> <n>|default [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Sets the weight of an upstream, or sets it back to what is configured",
		Args:  cobra.ExactArgs(2),
		RunE:  caddycmd.WrapCommandFuncForCobra(setWeight),
	}
	drain := &cobra.Command{
		Use:   "drain <upstream> [--off] [--address <interface>] [--config <path> [--adapter <name>]]",
		Short: "Lets an upstream finish its requests and sticky sessions, and gives it no new ones",
		Args:  cobra.ExactArgs(1),
		RunE:  caddycmd.WrapCommandFuncForCobra(setDrain),
	}
	drain.Flags().Bool("off", false, "Give it new requests again")
	for _, c := range []*cobra.Command{list, weight, drain} {
		c.Flags().StringP("address", "", "", "The address of the admin API, if it is neither the default nor in the config")
		c.Flags().StringP("config", "c", "", "Configuration file to find the admin API in")
		c.Flags().StringP("adapter", "a", "", "Name of the config adapter to apply to it")
		cmd.AddCommand(c)
	}
}

func listUpstreams(fl caddycmd.Flags) (int, error) {
	body, err := callAdmin(fl, http.MethodGet, "", nil)
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	if fl.Bool("json") {
		_, err := os.Stdout.Write(body)
		return caddy.ExitCodeSuccess, err
	}
	var states []upstreamState
	if err := json.Unmarshal(body, &states); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("decoding the answer: %w", err)
	}
	return caddy.ExitCodeSuccess, printStates(os.Stdout, states)
}

func printStates(w io.Writer, states []upstreamState) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "UPSTREAM\tLATENCY\tIN FLIGHT\tSUCCESS\tWEIGHT\tQUEUE\tSTATE")
	for _, s := range states {
		latency := "unknown"
		if s.LatencyMS > 0 {
			latency = fmt.Sprintf("%.1fms", s.LatencyMS)
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%.1f%%\t%d\t%d\t%s\n",
			s.Address, latency, s.InFlight, 100*s.SuccessRate, s.Weight, s.Queue, s.inWords())
	}
	return table.Flush()
}

func (s *upstreamState) inWords() string {
	switch {
	case s.Drain:
		return "draining"
	case s.Ejected != nil:
		return fmt.Sprintf("ejected until %s (%s)", s.Ejected.Until.Format(time.TimeOnly), s.Ejected.Reason)
	}
	return "in"
}

func setWeight(fl caddycmd.Flags) (int, error) {
	weight := fl.Arg(1)
	if weight == "default" {
		weight = "null"
	} else if _, err := integer(0, maxWeight)(weight); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("weight: %w", err)
	}
	return patchUpstream(fl, fmt.Sprintf(`{"weight":%s}`, weight))
}

func setDrain(fl caddycmd.Flags) (int, error) {
	return patchUpstream(fl, fmt.Sprintf(`{"drain":%t}`, !fl.Bool("off")))
}

func patchUpstream(fl caddycmd.Flags, change string) (int, error) {
	address := fl.Arg(0)
	if address == "" {
		return caddy.ExitCodeFailedStartup, errors.New("expected the address of an upstream")
	}
	body, err := callAdmin(fl, http.MethodPatch, "/"+url.PathEscape(address), []byte(change))
	if err != nil {
		return caddy.ExitCodeFailedStartup, err
	}
	var state upstreamState
	if err := json.Unmarshal(body, &state); err != nil {
		return caddy.ExitCodeFailedStartup, fmt.Errorf("decoding the answer: %w", err)
	}
	return caddy.ExitCodeSuccess, printStates(os.Stdout, []upstreamState{state})
}

// callAdmin asks the admin API of the running Caddy that the flags tell of.
func callAdmin(fl caddycmd.Flags, method, path string, body []byte) ([]byte, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(fl.String("address"), nil, fl.String("config"), fl.String("adapter"))
	if err != nil {
		return nil, fmt.Errorf("finding the admin API: %w", err)
	}
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	response, err := caddycmd.AdminAPIRequest(address, method, upstreamsPath+path, nil, content)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return io.ReadAll(response.Body)
}
