"""What commands share with the person in front of them: options, output, errors."""
