package main

// The help templates differ from the library's own in that each flag's text has a line of its own, as the
// texts are sentences.
const (
	optionsTemplate = `{{range .VisibleFlagCategories}}
{{if .Name}}{{.Name}} options{{else}}Other options{{end}}:{{range .Flags}}
   --{{index .Names 0}}{{if .TakesValue}} VALUE{{end}}
      {{.GetUsage}}{{if .TakesValue}}{{with .GetDefaultText}} (default: {{.}}){{end}}{{end}}{{end}}
{{end}}`

	helpTemplate = `{{.Name}} - {{.Usage}}

Usage:
   {{wrap .UsageText 3}}

Description:
   {{wrap .Description 3}}

Commands:{{range .VisibleCommands}}
   {{.Name}}
      {{.Usage}}{{end}}
` + optionsTemplate

	subcommandTemplate = `{{.HelpName}} - {{.Usage}}

Usage:
   {{wrap .UsageText 3}}
` + optionsTemplate
)
