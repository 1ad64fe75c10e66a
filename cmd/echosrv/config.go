package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"echosrv/backends/server"
	"echosrv/backends/server/serverflag"
)

// configEnv names the configuration file if the flag doesn't.
const configEnv = "ECHOSRV_CONFIG"

// flags are the settings and the one flag that is not a setting: where others are to be found.
func flags() []cli.Flag {
	return append(serverflag.Flags(), &cli.StringFlag{
		Name: "config", Category: "Configuration",
		Usage: "YAML file of settings, named as the flags are; flags win over ECHOSRV_NAME in the environment, which wins over the file; empty: $" + configEnv,
	})
}

// source is where this command line takes its settings from.
func source(c *cli.Context) server.Source {
	file := c.String("config")
	for _, level := range c.Lineage() {
		if file == "" {
			file = level.String("config")
		}
	}
	if file == "" {
		file = os.Getenv(configEnv)
	}
	return server.Source{File: file, Env: os.LookupEnv, Flags: serverflag.Given(c)}
}

func (cmd *command) configCommand() *cli.Command {
	return &cli.Command{
		Name:         "config",
		Usage:        "print the settings in force, as a configuration file that says where each comes from",
		UsageText:    "echosrv config [options]",
		Flags:        flags(),
		OnUsageError: onUsageError,
		Action: func(c *cli.Context) error {
			if err := noArguments(c); err != nil {
				return err
			}
			options, origins, err := source(c).Load()
			if err == nil {
				err = options.Check(cmd.table)
			}
			if err != nil {
				return err
			}
			return options.WriteYAML(cmd.stdout, origins)
		},
		CustomHelpTemplate: subcommandTemplate,
	}
}
