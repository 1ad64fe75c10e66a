package server

import (
	"fmt"
	"strings"
)

// Source is where settings come from, besides their defaults, the strongest last. They have the same names
// everywhere; in the environment those are written as EnvName says.
type Source struct {
	// File is the path of a YAML file; empty: none.
	File string
	// Env looks up a variable, like os.LookupEnv; nil: the environment is not asked. A variable that is
	// empty counts as not set.
	Env func(name string) (value string, ok bool)
	// Flags are settings by name, as text.
	Flags map[string]string
}

// Origins say by the name of a setting where its value came from; what has its default isn't there.
type Origins map[string]string

// EnvName is the environment variable of a setting: ECHOSRV_ and its name in capitals, "-" turned to "_".
func EnvName(setting string) string {
	return "ECHOSRV_" + strings.ToUpper(strings.ReplaceAll(setting, "-", "_"))
}

// Load reads the options. Each value is checked by itself; New and Server.Reconfigure check the whole.
func (src Source) Load() (Options, Origins, error) {
	o, origins := DefaultOptions(), Origins{}
	if src.File != "" {
		entries, err := readFile(src.File)
		if err != nil {
			return o, nil, err
		}
		for _, e := range entries {
			if err := o.Set(e.name, e.text); err != nil {
				return o, nil, fmt.Errorf("%s:%d: %w", src.File, e.line, err)
			}
			origins[e.name] = src.File
		}
	}
	for _, s := range Settings() {
		if src.Env != nil {
			if text, ok := src.Env(EnvName(s.Name)); ok && text != "" {
				if err := s.In(&o).Set(text); err != nil {
					return o, nil, Usage(fmt.Errorf("environment variable %s=%q: %w", EnvName(s.Name), text, err))
				}
				origins[s.Name] = EnvName(s.Name)
			}
		}
		if text, ok := src.Flags[s.Name]; ok {
			if err := o.Set(s.Name, text); err != nil {
				return o, nil, err
			}
			origins[s.Name] = "--" + s.Name
		}
	}
	return o, origins, nil
}

// Set changes one setting from its text.
func (o *Options) Set(name, text string) error {
	setting, err := FindSetting(name)
	if err != nil {
		return Usage(err)
	}
	if err := setting.In(o).Set(text); err != nil {
		return Usage(fmt.Errorf("%s=%q: %w", name, text, err))
	}
	return nil
}

// Get is the text of one setting, "" if there is none of this name.
func (o *Options) Get(name string) string {
	setting, err := FindSetting(name)
	if err != nil {
		return ""
	}
	return setting.In(o).String()
}
