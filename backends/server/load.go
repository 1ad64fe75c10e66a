package server

import "fmt"

// Set changes one setting of o from its text.
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
