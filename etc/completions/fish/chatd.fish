# chatctl has the completions of both programs.
chatctl completions fish chatd | source
