package cachehandler

import (
	"fmt"
	"io"
	"net/url"

	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/caddy-portico/portico/internal/admin"
	"github.com/caddy-portico/portico/internal/route"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "cache",
		Short: "Looks into the response_cache of a running Caddy",
		Long: `
Asks the admin endpoint of a running Caddy about its response_cache.

The address of the endpoint is that of --address or, if not given, the one in
the file of --config, or the default.`,
		CobraFunc: setUpCommand,
	})
}

func setUpCommand(cmd *cobra.Command) {
	admin.SetUp(cmd)
	cmd.AddCommand(explainCommand(), statsCommand())
}

func explainCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain <url> [-H '<name>: <value>']... [-X <method>]",
		Short: "Says what the cache would do with a request, and why",
		Long: `
Says what the cache would do with a request for an absolute URL: which
handler of the running configuration it comes to, its key, what is stored
under it and what of that it selects, how old that is and for how long it may
be used, what happens if nothing answers it, and what a purge would drop.

Nothing is changed, and the origin is not asked.`,
		Example: `caddy cache explain https://example.com/ -H 'Accept-Encoding: gzip, br' -H 'Accept-Language: de'`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			query := url.Values{"url": args}
			query["header"], _ = cmd.Flags().GetStringArray("header")
			for parameter, flag := range map[string]string{"method": "method", "remote_ip": "remote-ip"} {
				if value := admin.Flag(cmd, flag); value != "" {
					query.Set(parameter, value)
				}
			}
			return admin.Ask(cmd, admin.Form("/response_cache/explain", query), admin.Answer(printExplanation))
		},
	}
	cmd.Flags().StringArrayP("header", "H", nil, "A field of the request; may be given more than once")
	cmd.Flags().StringP("method", "X", "", "The method of the request (default GET)")
	cmd.Flags().StringP("remote-ip", "", "", "The address of the client (default "+route.TestNet+")")
	return cmd
}

func statsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stats",
		Short: "Says what the stores hold",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return admin.Ask(cmd, admin.Question{Path: "/response_cache/stats"}, admin.Answer(printStats))
		},
	}
}

func printStats(w io.Writer, all allStats) error {
	for _, s := range all.Stores {
		fmt.Fprintf(w, "%s (%s): %d responses in %s of %s, %d dropped to make room\n", s.Store, s.Tier, s.Objects,
			humanize.IBytes(uint64(max(0, s.Bytes))), humanize.IBytes(uint64(max(0, s.Budget))), s.Evictions)
	}
	return nil
}
