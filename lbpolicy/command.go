package lbpolicy

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"text/tabwriter"
	"time"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/caddy-portico/portico/internal/admin"
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
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	admin.SetUp(cmd)
	drain := &cobra.Command{
		Use:   "drain <upstream> [--off]",
		Short: "Lets an upstream finish its requests and sticky sessions, and gives it no new ones",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			off, _ := cmd.Flags().GetBool("off")
			return patchUpstream(cmd, args[0], map[string]any{"drain": !off})
		},
	}
	drain.Flags().Bool("off", false, "Give it new requests again")
	cmd.AddCommand(
		&cobra.Command{
			Use:   "list",
			Short: "Lists the upstreams with latency, requests in flight, success rate, weight, drain and ejection",
			Args:  cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				return admin.Ask(cmd, admin.Question{Path: upstreamsPath}, admin.Answer(printStates))
			},
		},
		&cobra.Command{
			Use:   "weight <upstream> <n>|default",
			Short: "Sets the weight of an upstream, or sets it back to what is configured",
			Args:  cobra.ExactArgs(2),
			RunE:  setWeight,
		},
		drain,
	)
}

func setWeight(cmd *cobra.Command, args []string) error {
	change := map[string]any{"weight": nil} // the configured one
	if args[1] != "default" {
		weight, err := integer(0, maxWeight)(args[1])
		if err != nil {
			return fmt.Errorf("weight: %w", err)
		}
		change["weight"] = weight
	}
	return patchUpstream(cmd, args[0], change)
}

func patchUpstream(cmd *cobra.Command, address string, change map[string]any) error {
	if address == "" {
		return errors.New("expected the address of an upstream")
	}
	q, err := admin.JSON(http.MethodPatch, upstreamsPath+"/"+url.PathEscape(address), change)
	if err != nil {
		return err
	}
	return admin.Ask(cmd, q, admin.Answer(func(w io.Writer, state upstreamState) error {
		return printStates(w, []upstreamState{state})
	}))
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
